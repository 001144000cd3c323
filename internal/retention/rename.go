package retention

import (
	"context"
	"fmt"

	"relabel/internal/pg"
)

// targetRow is a row of a target that a chunk has rows of.
type targetRow struct {
	Row

	Batch  int64
	Looked bool // it is of the chunk
}

// endedRow is what may go of rename o: its call can't land any more.
const endedRow = `o.finished_at < @before::timestamptz AND coalesce(o.unknown_until < clock_timestamp(), true)`

// targetsSQL reads all rows of the targets of a chunk: of each one look-up in
// rename_target_idx. A row is only old if its batch is still to be examined: one that was
// left there stays, and so does what its superseded_by names.
const targetsSQL = `
WITH chunk AS MATERIALIZED (
	SELECT id, asset_id, locale_id, site_id FROM rename
	WHERE batch_id = @looked AND id > @after AND id <= @last ORDER BY id LIMIT @limit
), target AS MATERIALIZED (
	SELECT DISTINCT asset_id, locale_id, site_id FROM chunk
)
SELECT o.id, o.batch_id AS batch, o.asset_id || '/' || o.locale_id AS target, b.acceptance,
	o.id IN (SELECT id FROM chunk) AS looked,
	coalesce(` + endedRow + ` AND b.finished_at < @before::timestamptz AND @batch::bigint IN (0, b.id)
		AND (b.pruned_at IS NULL OR b.pruned_at < @examined), false) AS old,
	b.finished_at IS NULL AS open,
	o.status = 'unchanged' AS unchanged,
	o.fence > 0 AS sent,
	o.fence > 0 AND o.status IN ('succeeded', 'superseded') AS put,
	o.display_name IS NOT NULL AS named,
	o.alt_text IS NOT NULL AS alt_text,
	o.superseded_by
FROM target t
CROSS JOIN LATERAL (
	SELECT * FROM rename o
	WHERE o.asset_id = t.asset_id AND o.locale_id = t.locale_id AND o.site_id = t.site_id
	OFFSET 0
) o
JOIN batch b ON b.id = o.batch_id`

// oldBatch is a batch that ended before the chosen time. Its rows have ids in a range.
type oldBatch struct {
	ID    int64
	First int64
	Last  int64
}

const oldBatchesSQL = `
SELECT id, first_id AS first, last_id AS last FROM batch
WHERE site_id = @site::integer AND finished_at < @before::timestamptz AND total > 0 AND first_id IS NOT NULL AND @batch::bigint IN (0, id)
	AND (pruned_at IS NULL OR pruned_at < @examined)
ORDER BY id`

// renames finds the rows of old batches that are not needed, batch by batch.
func (r *run) renames(*run) (table, finder) {
	w := &walk{run: r}
	return table{name: "rename", keys: byID()}, w.next
}

// walk goes through the rows of old batches.
type walk struct {
	*run

	begun   bool
	batches []oldBatch // that are left
	after   int64      // the last row that was looked at of the first of them
}

// next is a finder. It moves on to the next batch when one has no more rows.
func (w *walk) next(ctx context.Context, limit int) (keys []string, more bool, err error) {
	if !w.begun {
		if w.batches, err = w.oldBatches(ctx); err != nil {
			return nil, false, err
		}
		w.begun = true
	}
	if len(w.batches) == 0 {
		return nil, false, nil
	}
	b := w.batches[0]
	rows, err := w.targets(ctx, b, max(w.after, b.First-1), limit)
	if err != nil {
		return nil, false, err
	}
	if last := lastLooked(rows); last > 0 {
		w.after = last
		return w.chosen(rows), true, nil
	}
	w.after, w.batches = 0, w.batches[1:]
	return nil, true, w.examined(ctx, b.ID)
}

func lastLooked(rows []targetRow) (last int64) {
	for _, row := range rows {
		if row.Looked {
			last = max(last, row.ID)
		}
	}
	return last
}

func (r *run) oldBatches(ctx context.Context) ([]oldBatch, error) {
	return pg.Collect[oldBatch](ctx, r.DB.Pool(), "reading old batches", oldBatchesSQL, r.args())
}

func (r *run) targets(ctx context.Context, b oldBatch, after int64, limit int) ([]targetRow, error) {
	args := r.args()
	args["looked"], args["after"], args["last"], args["limit"] = b.ID, after, b.Last, limit
	return pg.Collect[targetRow](ctx, r.DB.Pool(), "reading the rows of targets", targetsSQL, args)
}

// chosen returns the keys of the chunk's rows that go. Other rows of their targets are
// looked at when their own batch is.
func (r *run) chosen(rows []targetRow) (keys []string) {
	byTarget, looked := map[string][]Row{}, map[int64]targetRow{}
	for _, row := range rows {
		byTarget[row.Target] = append(byTarget[row.Target], row.Row)
		if row.Looked {
			looked[row.ID] = row
		}
	}
	for _, target := range byTarget {
		for _, id := range r.needless(target) {
			if row, ok := looked[id]; ok {
				keys = append(keys, idKey(id))
				r.goes[row.Batch]++
			}
		}
	}
	return keys
}

// needless is the rule. Before a site is removed, nothing is needed.
func (r *run) needless(target []Row) (gone []int64) {
	if !r.Whole {
		return needless(target)
	}
	for _, row := range target {
		if row.Old {
			gone = append(gone, row.ID)
		}
	}
	return gone
}

// examined records that the rows of a batch were looked at.
func (r *run) examined(ctx context.Context, batch int64) error {
	if r.DryRun {
		return nil
	}
	if _, err := r.DB.Pool().Exec(ctx, `UPDATE batch SET pruned_at = clock_timestamp() WHERE id = $1`, batch); err != nil {
		return fmt.Errorf("error recording that batch %d was examined: %w", batch, err)
	}
	return nil
}

// deleteRenames deletes rows, and takes them out of their batches' counters. A row that
// a retry has opened since stays. Rows are locked by id, then batches by id.
const deleteRenames = `
WITH old AS (
	SELECT r.id FROM jsonb_to_recordset(@keys::jsonb) AS k (id bigint) JOIN rename r ON r.id = k.id
	CROSS JOIN LATERAL (SELECT r.finished_at, r.unknown_until) o
	WHERE ` + endedRow + ` AND EXISTS (SELECT FROM batch b WHERE b.id = r.batch_id AND b.finished_at < @before::timestamptz)
	ORDER BY r.id
	FOR UPDATE OF r
), gone AS (
	DELETE FROM rename r USING old WHERE r.id = old.id RETURNING r.batch_id, r.status
), n AS MATERIALIZED (
	SELECT batch_id, count(*) AS total,
		count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
		count(*) FILTER (WHERE status = 'failed') AS failed,
		count(*) FILTER (WHERE status = 'superseded') AS superseded,
		count(*) FILTER (WHERE status = 'unchanged') AS unchanged,
		count(*) FILTER (WHERE status = 'conflict') AS conflict,
		count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
		count(*) FILTER (WHERE status = 'invalid') AS invalid
	FROM gone GROUP BY batch_id
), locked AS MATERIALIZED (
	SELECT id FROM batch WHERE id IN (SELECT batch_id FROM n) ORDER BY id FOR NO KEY UPDATE
), tally AS (
	UPDATE batch b SET total = b.total - n.total, succeeded = b.succeeded - n.succeeded, failed = b.failed - n.failed,
		superseded = b.superseded - n.superseded, unchanged = b.unchanged - n.unchanged, conflict = b.conflict - n.conflict,
		cancelled = b.cancelled - n.cancelled, invalid = b.invalid - n.invalid
	FROM n JOIN locked ON locked.id = n.batch_id
	WHERE b.id = n.batch_id
)
SELECT count(*) FROM gone`
