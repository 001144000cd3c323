package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"relabel/internal/failpoint"
	"relabel/internal/pg"
)

// cancelChunk is how many rows of cancelled batches end in one transaction.
const cancelChunk = 10_000

// cancelBatches cancels the batches that which chooses, a query of their ids that
// locks them, and records an event for each. Every cancelled batch goes through it.
//
// Rows that were not accepted yet never will be, so the batch may have ended by
// that. Other open rows are left to CancelOpen.
func cancelBatches(ctx context.Context, q pg.Execer, which string, args pgx.NamedArgs) (n int64, err error) {
	tag, err := q.Exec(ctx, `
		WITH chosen AS (`+which+`), changed AS (
			UPDATE batch b SET status = 'cancelled', cancelled_at = clock_timestamp(), accepted_to = NULL,
				finished_at = CASE WHEN b.ended = b.total THEN clock_timestamp() END, status_reason = @reason
			FROM chosen WHERE b.id = chosen.id
			RETURNING b.id, b.site_id
		)
		INSERT INTO event (kind, site_id, batch_id, detail)
		SELECT 'batch cancelled', site_id, id, @reason FROM changed`, args)
	if err != nil {
		return 0, fmt.Errorf("error cancelling: %w", err)
	}
	return tag.RowsAffected(), nil
}

// CancelBatches cancels those of the batches that are open, in a transaction that ends
// what they belong to. CancelOpen ends their rows.
func CancelBatches(ctx context.Context, tx pgx.Tx, ids []int64, reason string) error {
	_, err := cancelBatches(ctx, tx, `
		SELECT id FROM batch WHERE id = ANY (@batches) AND status IN ('active', 'paused') ORDER BY id FOR NO KEY UPDATE`,
		pgx.NamedArgs{"batches": ids, "reason": reason})
	return err
}

// openBatchSQL chooses a batch that may be cancelled.
const openBatchSQL = `SELECT id FROM batch WHERE id = @id AND status IN ('active', 'paused') FOR NO KEY UPDATE`

// CancelBatch cancels a batch, and ends its rows but those whose call is in flight:
// up to cancelChunk in the same transaction, the rest in chunks after it. It
// reports whether the batch was open. When it was cancelled before, its remaining
// rows end; the error is a BatchStateError when it can't be cancelled.
func (db *DB) CancelBatch(ctx context.Context, id int64, reason *string) (changed bool, err error) {
	err = pg.RetryDeadlock(func() error {
		return pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
			changed, err = db.cancelBatch(ctx, tx, id, reason)
			return err
		})
	})
	if err != nil {
		return false, err
	}
	b, err := db.batchState(ctx, id)
	switch {
	case err != nil:
		return changed, err
	case !changed && b.Status != BatchCancelled:
		return false, &BatchStateError{id, b.Status, BatchCancelled}
	}
	return changed, db.EndCancelled(ctx, b.SiteID)
}

// cancelBatch locks the rows that it ends before the batch, as all statements do.
func (db *DB) cancelBatch(ctx context.Context, tx pgx.Tx, id int64, reason *string) (changed bool, err error) {
	rows, err := pg.CollectIDs(ctx, tx, "reading the batch's open rows", `
		SELECT id FROM rename WHERE batch_id = @id AND finished_at IS NULL
			AND (lease_until IS NULL OR lease_until < clock_timestamp())
		ORDER BY line LIMIT @limit`, pgx.NamedArgs{"id": id, "limit": db.cancelChunk})
	if err != nil {
		return false, err
	}
	if _, err := lockRows(ctx, tx, rows, []int64{id}); err != nil {
		return false, err
	}
	n, err := cancelBatches(ctx, tx, openBatchSQL, pgx.NamedArgs{"id": id, "reason": reason})
	if err != nil || n == 0 {
		return false, err
	}
	if _, err := tx.Exec(ctx, statement("end_cancelled"), endCancelledArgs(rows)); err != nil {
		return false, fmt.Errorf("error cancelling rows: %w", err)
	}
	return true, nil
}

func endCancelledArgs(rows []int64) pgx.NamedArgs {
	return pgx.NamedArgs{"rename_ids": rows, "quarantine": MaxCallTime}
}

// CancelOpen ends up to cancelChunk open rows of a site's cancelled batches. It returns how
// many it found, and how many it ended: another process may have ended the others while
// this one waited for their locks. Calls in flight end by themselves.
func (db *DB) CancelOpen(ctx context.Context, siteID int) (found, ended int, err error) {
	open, err := pg.CollectIDs(ctx, db.Pool(), "reading rows of cancelled batches", statement("open_of_cancelled"),
		pgx.NamedArgs{"site_id": siteID, "limit": db.cancelChunk})
	if err != nil || len(open) == 0 {
		return 0, 0, err
	}
	failpoint.Hit("cancelling")
	args := endCancelledArgs(open)
	batch := &pgx.Batch{}
	batch.Queue(lockRenames, args)
	batch.Queue(statement("end_cancelled"), args).QueryRow(func(row pgx.Row) error { return row.Scan(&ended) })
	if err := db.Pool().SendBatch(ctx, batch).Close(); err != nil {
		return 0, 0, fmt.Errorf("error cancelling renames: %w", err)
	}
	return len(open), ended, nil
}

// EndCancelled ends all open rows of a site's cancelled batches, except those whose call
// is in flight. Workers do it too; this is for when none runs.
func (db *DB) EndCancelled(ctx context.Context, siteID int) error {
	for {
		found, _, err := db.CancelOpen(ctx, siteID)
		if err != nil || found == 0 {
			return err
		}
	}
}

// Cancelled is what came of cancelling rows.
type Cancelled struct {
	Cancelled int64 `json:"cancelled"` // rows that ended
	Sending   int64 `json:"sending"`   // rows whose call is in flight: its answer ends them, and they are not tried again
}

// CancelRows ends those of the rows that are open and in one of the statuses. A row whose
// call is in flight is only marked: it ends with its answer, and is not tried again.
func (db *DB) CancelRows(ctx context.Context, ids []int64, statuses []RowStatus) (Cancelled, error) {
	list, err := pg.Collect[Cancelled](ctx, db.Pool(), "cancelling rows", statement("cancel_rows"),
		pgx.NamedArgs{"ids": ids, "statuses": statuses, "quarantine": MaxCallTime})
	if err != nil {
		return Cancelled{}, err
	}
	return list[0], nil
}
