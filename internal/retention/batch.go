package retention

import (
	"context"

	"relabel/internal/pg"
)

// batchRow is a batch and what refers to it.
type batchRow struct {
	ID         int64
	Old        bool
	Total      int64
	Runs       bool // a run of a schedule that stays refers to it
	ReplacedBy *int64
	Undoes     *int64
}

const batchesSQL = `
SELECT b.id, coalesce(b.finished_at < @before::timestamptz AND b.site_id = @site::integer AND @batch::bigint IN (0, b.id), false) AS old, b.total,
	EXISTS (SELECT FROM schedule_run t WHERE t.batch_id = b.id AND (@batch::bigint <> 0 OR (` + finishedRun + `) IS NOT TRUE)) AS runs,
	b.replaced_by, b.undoes
FROM batch b ORDER BY b.id`

// batches finds the batches that have no rows and that nothing refers to.
func (r *run) batches(*run) (table, finder) {
	t := table{"batch", byID(), `t.finished_at < @before::timestamptz AND t.total = 0
		AND NOT EXISTS (SELECT FROM schedule_run s WHERE s.batch_id = t.id)`}
	var gone []int64
	begun := false
	return t, func(ctx context.Context, limit int) (keys []string, more bool, err error) {
		if !begun {
			all, err := pg.Collect[batchRow](ctx, r.DB.Pool(), "reading batches", batchesSQL, r.args())
			if err != nil {
				return nil, false, err
			}
			begun, gone = true, r.unreferred(all)
		}
		n := min(limit, len(gone))
		for _, id := range gone[:n] {
			keys = append(keys, idKey(id))
		}
		gone = gone[n:]
		return keys, len(gone) > 0, nil
	}
}

// unreferred returns the old batches without rows that no batch refers to that stays.
func (r *run) unreferred(all []batchRow) (gone []int64) {
	goes := map[int64]bool{}
	for _, b := range all {
		if r.DryRun {
			b.Total -= r.goes[b.ID]
		}
		goes[b.ID] = b.Old && b.Total == 0 && !b.Runs
	}
	for again := true; again; {
		again = false
		for _, b := range all {
			for _, of := range []*int64{b.ReplacedBy, b.Undoes} {
				if !goes[b.ID] && of != nil && goes[*of] {
					goes[*of], again = false, true
				}
			}
		}
	}
	for _, b := range all {
		if goes[b.ID] {
			gone = append(gone, b.ID)
		}
	}
	return gone
}
