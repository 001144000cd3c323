package db

import (
	"context"

	"github.com/jackc/pgx/v5"

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
func (db *DB) RetryAll(ctx context.Context, f RowFilter, progress func(Retried)) (sum Retried, err error) {
	f, ok := f.ForRetry()
	if !ok {
		return sum, nil
	}
	began, err := db.Now(ctx)
	if err != nil {
		return sum, err
	}
	err = db.actOn(ctx, f, func(batch int64, ids []int64) error {
		got, err := db.RetryRows(ctx, RetryParams{Batch: batch, IDs: ids, Statuses: f.Statuses, Began: began})
		sum = Retried{sum.Pending + got.Pending, sum.Superseded + got.Superseded, sum.LeftOut + got.LeftOut}
		if progress != nil {
			progress(sum)
		}
		return err
	})
	return sum, err
}

// CancelRows ends all open rows that a filter chooses, in chunks as RetryRows. A
// row whose call is in flight ends with its answer, and is not tried again.
func (db *DB) CancelAll(ctx context.Context, f RowFilter, progress func(Cancelled)) (sum Cancelled, err error) {
	f, ok := f.ForCancel()
	if !ok {
		return sum, nil
	}
	err = db.actOn(ctx, f, func(_ int64, ids []int64) error {
		got, err := db.CancelRows(ctx, ids, f.Statuses)
		sum = Cancelled{sum.Cancelled + got.Cancelled, sum.Sending + got.Sending}
		if err == nil && progress != nil {
			progress(sum)
		}
		return err
	})
	return sum, err
}

// actOn finds the rows of a filter in the order in which they were loaded, and calls act
// with chunks of one batch each.
func (db *DB) actOn(ctx context.Context, f RowFilter, act func(batch int64, ids []int64) error) error {
	s, err := db.newSearch(ctx, f, SortOldest, "")
	for err == nil && !s.done {
		var ids []int64
		if ids, err = s.next(ctx, lastChunk, actChunk); err == nil {
			err = db.byBatch(ctx, ids, act)
		}
	}
	return err
}

func (db *DB) byBatch(ctx context.Context, ids []int64, act func(batch int64, ids []int64) error) error {
	if len(ids) == 0 {
		return nil
	}
	type part struct {
		Batch int64
		IDs   []int64
	}
	parts, err := pg.Collect[part](ctx, db.Pool(), "sorting rows by batch", `
		SELECT batch_id AS batch, array_agg(id ORDER BY id) AS ids FROM rename
		WHERE id = ANY (@ids) GROUP BY batch_id ORDER BY batch_id`, pgx.NamedArgs{"ids": ids})
	for _, p := range parts {
		if err == nil {
			err = act(p.Batch, p.IDs)
		}
	}
	return err
}
