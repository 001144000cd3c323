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
	return pg.Collect[targetRow](ctx, r.DB.Pool(), "reading the rows of targets", statement("targets"), args)
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
