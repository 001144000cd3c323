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

// RetryParams name rows of one batch to retry.
type RetryParams struct {
	Batch    int64
	IDs      []int64
	Statuses []RowStatus // that they must have still
	Began    time.Time   // when the retry began
}

// RetryRows makes rows of one batch pending again, under the acceptance lock, so
// that no newer batch is accepted meanwhile. A row whose target has a newer
// rename that was or will be sent becomes superseded: a late retry never
// overwrites a newer name. Older renames of its target that are open are
// superseded by it in turn, as when a batch is loaded. The rows' failures are
// forgotten, so each has all its attempts.
//
// A batch that was cancelled after the retry began is left alone.
func (db *DB) RetryRows(ctx context.Context, p RetryParams) (out Retried, err error) {
	err = pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			SELECT FROM acceptance WHERE site_id = (SELECT site_id FROM batch WHERE id = $1) FOR NO KEY UPDATE`, p.Batch); err != nil {
			return fmt.Errorf("error locking the order of acceptance: %w", err)
		}
		args := pgx.NamedArgs{"batch": p.Batch, "ids": p.IDs, "statuses": p.Statuses, "began": p.Began}
		older, err := pg.Collect[struct{ ID, BatchID int64 }](ctx, tx, "looking for older renames", statement("older_open"), args)
		if err != nil {
			return err
		}
		renames, batches := slices.Clone(p.IDs), []int64{p.Batch}
		for _, o := range older {
			renames, batches = append(renames, o.ID), append(batches, o.BatchID)
		}
		if _, err := lockRows(ctx, tx, renames, batches); err != nil {
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
