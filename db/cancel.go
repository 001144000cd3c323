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
			changed, err = cancelBatch(ctx, tx, id, reason)
			return err
		})
	})
	if err != nil {
		return false, err
	}
	b, err := db.BatchStatus(ctx, id)
	switch {
	case err != nil:
		return changed, err
	case !changed && b.Status != BatchCancelled:
		return false, &BatchStateError{id, b.Status, BatchCancelled}
	}
	site, err := db.SiteByName(ctx, b.Site)
	if err != nil {
		return changed, err
	}
	return changed, db.EndCancelled(ctx, site.ID)
}

// cancelBatch locks the rows that it ends before the batch, as all statements do.
func cancelBatch(ctx context.Context, tx pgx.Tx, id int64, reason *string) (changed bool, err error) {
	rows, err := pg.CollectIDs(ctx, tx, "reading the batch's open rows", `
		SELECT id FROM rename WHERE batch_id = @id AND finished_at IS NULL
			AND (lease_until IS NULL OR lease_until < clock_timestamp())
		ORDER BY line LIMIT @limit`, pgx.NamedArgs{"id": id, "limit": cancelChunk})
	if err != nil {
		return false, err
	}
	if err := lockRows(ctx, tx, rows, []int64{id}); err != nil {
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

// openOfCancelledSQL reads the open rows of each batch by line, like feed.sql. Rows
// of a batch that is being replaced wait until the new batch's rows supersede them.
const openOfCancelledSQL = `
SELECT o.id FROM batch b CROSS JOIN LATERAL (
	SELECT o.id FROM rename o
	WHERE o.batch_id = b.id AND o.finished_at IS NULL
		AND (o.lease_until IS NULL OR o.lease_until < clock_timestamp())
	ORDER BY o.line LIMIT @limit
) o
WHERE b.site_id = @site_id AND b.status = 'cancelled' AND b.finished_at IS NULL
	AND NOT EXISTS (SELECT FROM batch n WHERE n.id = b.replaced_by AND n.accepted_to IS NOT NULL)
ORDER BY b.id, o.id LIMIT @limit`

func endCancelledArgs(rows []int64) pgx.NamedArgs {
	return pgx.NamedArgs{"rename_ids": rows, "quarantine": MaxCallTime}
}

// CancelOpen ends open rows of a site's cancelled batches, limit at most, and returns
// how many it ended. Calls in flight end by themselves.
func (db *DB) CancelOpen(ctx context.Context, siteID, limit int) (n int, err error) {
	open, err := pg.CollectIDs(ctx, db.Pool(), "reading rows of cancelled batches", openOfCancelledSQL,
		pgx.NamedArgs{"site_id": siteID, "limit": limit})
	if err != nil || len(open) == 0 {
		return 0, err
	}
	failpoint.Hit("cancelling")
	args := endCancelledArgs(open)
	batch := &pgx.Batch{}
	batch.Queue(lockRenames, args)
	batch.Queue(statement("end_cancelled"), args).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	if err := db.Pool().SendBatch(ctx, batch).Close(); err != nil {
		return 0, fmt.Errorf("error cancelling renames: %w", err)
	}
	return n, nil
}

// EndCancelled ends all open rows of a site's cancelled batches, except those whose call
// is in flight. Workers do it too; this is for when none runs.
func (db *DB) EndCancelled(ctx context.Context, siteID int) error {
	for {
		n, err := db.CancelOpen(ctx, siteID, cancelChunk)
		if err != nil || n == 0 {
			return err
		}
	}
}

// Stranded counts rows of one batch that a newer batch superseded, and that were not
// sent because the newer one was then cancelled. Only a retry sends them.
type Stranded struct {
	Batch int64 `json:"batch"`
	Rows  int64 `json:"rows"`
}

// strandedLook bounds the rows of a cancelled batch that are examined: some seconds.
// Rows beyond it are not counted.
const strandedLook = 200_000

// Stranded finds the stranded rows that a cancelled batch left, by one look-up in
// rename_target_idx a row. It examines none when no older batch has superseded rows.
func (db *DB) Stranded(ctx context.Context, batchID int64) ([]Stranded, error) {
	return pg.Collect[Stranded](ctx, db.Pool(), "counting rows that the batch had superseded", `
		SELECT o.batch_id AS batch, count(*) AS rows
		FROM (
			SELECT r.id, r.asset_id, r.locale_id, r.site_id, b.acceptance
			FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
			WHERE b.id = @batch AND b.status = 'cancelled' AND r.status = 'cancelled' AND r.fence = 0 AND EXISTS (
				SELECT FROM batch o WHERE o.site_id = b.site_id AND o.acceptance < b.acceptance AND o.superseded > 0)
			ORDER BY r.id LIMIT @look
		) c JOIN LATERAL (
			SELECT o.batch_id FROM rename o JOIN batch ob ON ob.id = o.batch_id
			WHERE o.asset_id = c.asset_id AND o.locale_id = c.locale_id AND o.site_id = c.site_id
				AND o.status = 'superseded' AND o.superseded_by = c.id AND o.fence = 0 AND ob.acceptance < c.acceptance
		) o ON true
		GROUP BY o.batch_id ORDER BY o.batch_id`, pgx.NamedArgs{"batch": batchID, "look": strandedLook})
}
