package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// NoBatchError reports that there is no batch of that number.
type NoBatchError int64

func (id NoBatchError) Error() string {
	return fmt.Sprintf("no such batch: %d", int64(id))
}

// BatchStateError reports that a batch can't get the status that was asked for:
// it has ended, or is a plan.
type BatchStateError struct {
	Batch  int64
	Status BatchStatus // as it is
	Wanted BatchStatus
}

func (e *BatchStateError) Error() string {
	change := map[BatchStatus]string{BatchPaused: "paused", BatchActive: "resumed", BatchCancelled: "cancelled"}[e.Wanted]
	return fmt.Sprintf("batch %d is %s and can't be %s", e.Batch, e.Status, change)
}

// PauseBatch lets no further call of a batch begin. Workers see it at their next
// claim. It reports whether the batch was active before; the error is a
// BatchStateError when it has ended.
func (db *DB) PauseBatch(ctx context.Context, id int64, reason *string) (changed bool, err error) {
	return db.moveBatch(ctx, id, BatchActive, BatchPaused, reason)
}

// ResumeBatch lets a paused batch go on, and reports whether it was paused.
func (db *DB) ResumeBatch(ctx context.Context, id int64) (changed bool, err error) {
	return db.moveBatch(ctx, id, BatchPaused, BatchActive, nil)
}

func (db *DB) moveBatch(ctx context.Context, id int64, from, to BatchStatus, reason *string) (bool, error) {
	tag, err := db.Pool().Exec(ctx, `
		WITH changed AS (
			UPDATE batch SET status = @to, status_reason = @reason WHERE id = @id AND status = @from
			RETURNING id, site_id
		)
		INSERT INTO event (kind, site_id, batch_id, detail)
		SELECT CASE @to WHEN 'active' THEN 'batch resumed' ELSE 'batch paused' END, site_id, id, @reason FROM changed`,
		pgx.NamedArgs{"id": id, "from": from, "to": to, "reason": reason})
	if err != nil {
		return false, fmt.Errorf("error setting batch %d to %s: %w", id, to, err)
	}
	if tag.RowsAffected() > 0 {
		return true, nil
	}
	b, err := db.batchState(ctx, id)
	if err == nil && b.Status != to {
		err = &BatchStateError{id, b.Status, to}
	}
	return false, err
}

// batchState is what a batch is, and whose.
type batchState struct {
	Status BatchStatus
	SiteID int
}

func (db *DB) batchState(ctx context.Context, id int64) (batchState, error) {
	list, err := pg.Collect[batchState](ctx, db.Pool(), "reading the batch",
		`SELECT status, site_id FROM batch WHERE id = @id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return batchState{}, err
	}
	if len(list) == 0 {
		return batchState{}, NoBatchError(id)
	}
	return list[0], nil
}
