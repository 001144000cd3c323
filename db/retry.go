package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/failpoint"
	"relabel/internal/pg"
)

// Retried is what came of a retry.
type Retried struct {
	Pending    int64 `json:"pending"`    // rows that will be sent again
	Superseded int64 `json:"superseded"` // rows whose target has a newer rename: they never will
	LeftOut    int64 `json:"left_out"`   // rows whose batch was cancelled during the retry
}

// RetryBatch is RetryRows for the rows of one batch: the error is ErrNoBatch when
// the filter names none, and without a status it retries none. RetryRows would take
// the rows of all batches, and all that can be retried.
func (db *DB) RetryBatch(ctx context.Context, f RowFilter) (Retried, error) {
	if f.Batch < 1 {
		return Retried{}, noBatch(f.Batch)
	}
	if len(f.Statuses) == 0 {
		return Retried{}, nil
	}
	return db.RetryRows(ctx, f, nil)
}

// olderOpenSQL finds the open rows that the rows to retry would supersede, to lock them.
const olderOpenSQL = `
SELECT o.id, o.batch_id FROM rename r JOIN batch b ON b.id = r.batch_id
JOIN rename o ON o.asset_id = r.asset_id AND o.locale_id = r.locale_id AND o.site_id = r.site_id
	AND o.status IN ('pending', 'sending')
JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < b.acceptance
WHERE r.id = ANY (@ids)`

// retryChunk makes rows of one batch pending again, under the acceptance lock, so
// that no newer batch is accepted meanwhile. A row whose target has a newer
// rename that was or will be sent becomes superseded: a late retry never
// overwrites a newer name. Older renames of its target that are open are
// superseded by it in turn, as when a batch is loaded. The rows' failures are
// forgotten, so each has all its attempts.
//
// A batch that was cancelled after the retry began is left alone.
func (db *DB) retryChunk(ctx context.Context, batch int64, ids []int64, statuses []RowStatus, began time.Time) (out Retried, err error) {
	err = pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			SELECT FROM acceptance WHERE site_id = (SELECT site_id FROM batch WHERE id = $1) FOR NO KEY UPDATE`, batch); err != nil {
			return fmt.Errorf("error locking the order of acceptance: %w", err)
		}
		args := pgx.NamedArgs{"batch": batch, "ids": ids, "statuses": statuses, "began": began}
		older, err := pg.Collect[struct{ ID, BatchID int64 }](ctx, tx, "looking for older renames", olderOpenSQL, args)
		if err != nil {
			return err
		}
		renames, batches := slices.Clone(ids), []int64{batch}
		for _, o := range older {
			renames, batches = append(renames, o.ID), append(batches, o.BatchID)
		}
		if err := lockRows(ctx, tx, renames, batches); err != nil {
			return err
		}
		list, err := pg.Collect[Retried](ctx, tx, "retrying rows", statement("retry"), args)
		if err == nil && len(list) == 1 {
			out = list[0]
		}
		failpoint.Hit("retrying")
		return err
	})
	return out, err
}
