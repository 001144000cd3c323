package records

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// actChunk is how many rows change in one transaction. The acceptance lock is held for a
// fraction of a second, so that loads can go on in between.
const actChunk = 2000

// RetryRows makes all failed, conflicting and cancelled rows that a filter chooses
// pending again. It works in chunks, each a transaction, and calls progress (which may
// be nil) after each. After an interruption the same call does the rest.
//
// A row whose target has a newer rename that was or will be sent becomes
// superseded instead, see db.RetryRows.
func RetryRows(ctx context.Context, d *db.DB, f RowFilter, progress func(db.Retried)) (sum db.Retried, err error) {
	f, ok := f.ForRetry()
	if !ok {
		return sum, nil
	}
	began, err := d.Now(ctx)
	if err != nil {
		return sum, err
	}
	err = actOn(ctx, d, f, func(batch int64, ids []int64) error {
		got, err := d.RetryRows(ctx, db.RetryParams{Batch: batch, IDs: ids, Statuses: f.Statuses, Began: began})
		sum.Pending, sum.Superseded, sum.LeftOut = sum.Pending+got.Pending, sum.Superseded+got.Superseded, sum.LeftOut+got.LeftOut
		if progress != nil {
			progress(sum)
		}
		return err
	})
	return sum, err
}

// CancelRows ends all open rows that a filter chooses, in chunks as RetryRows. A
// row whose call is in flight ends with its answer, and is not tried again.
func CancelRows(ctx context.Context, d *db.DB, f RowFilter, progress func(db.Cancelled)) (sum db.Cancelled, err error) {
	f, ok := f.ForCancel()
	if !ok {
		return sum, nil
	}
	err = actOn(ctx, d, f, func(_ int64, ids []int64) error {
		got, err := d.CancelRows(ctx, ids, f.Statuses)
		sum.Cancelled, sum.Sending = sum.Cancelled+got.Cancelled, sum.Sending+got.Sending
		if err == nil && progress != nil {
			progress(sum)
		}
		return err
	})
	return sum, err
}

// actOn finds the rows of a filter in the order in which they were loaded, and calls act
// with chunks of one batch each.
func actOn(ctx context.Context, d *db.DB, f RowFilter, act func(batch int64, ids []int64) error) error {
	s, err := newSearch(ctx, d, f, SortOldest, "")
	for err == nil && !s.done {
		var ids []int64
		if ids, err = s.next(ctx, lastChunk, actChunk); err == nil {
			err = byBatch(ctx, d, ids, act)
		}
	}
	return err
}

func byBatch(ctx context.Context, d *db.DB, ids []int64, act func(batch int64, ids []int64) error) error {
	if len(ids) == 0 {
		return nil
	}
	type part struct {
		Batch int64
		IDs   []int64
	}
	parts, err := pg.Collect[part](ctx, d.Pool(), "sorting rows by batch", `
		SELECT batch_id AS batch, array_agg(id ORDER BY id) AS ids FROM rename
		WHERE id = ANY (@ids) GROUP BY batch_id ORDER BY batch_id`, pgx.NamedArgs{"ids": ids})
	for _, p := range parts {
		if err == nil {
			err = act(p.Batch, p.IDs)
		}
	}
	return err
}
