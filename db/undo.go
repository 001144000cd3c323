package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// UndoParams choose what of a batch to put back.
type UndoParams struct {
	BatchID  int64
	Statuses []RowStatus // of rows whose call was made; none: succeeded
	Since    time.Time   // rows that ended then or later; zero: any
	Until    time.Time   // rows that ended before that; zero: any
}

// Undone is a planned batch of the values before.
type Undone struct {
	BatchID  int64
	Rows     int64
	NoBefore int64 // rows that were sent, and whose value before nobody read: they are not among Rows
}

// Errors of Undo.
var (
	// ErrNoBefore says that nobody read what the assets held before.
	ErrNoBefore = errors.New("there are no values before")

	// ErrNothingSent says that no row chosen was sent.
	ErrNothingSent = errors.New("there is nothing to undo")
)

// Undo makes a planned batch that puts back what the targets of a batch held
// before it, to be compared with the site and applied as any plan. Its rows
// begin with what we sent as the value before: Compare thus finds a conflict
// where a target holds something else by now.
func (db *DB) Undo(ctx context.Context, p UndoParams) (out Undone, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		out, err = undo(ctx, tx, p)
		return err
	})
	return out, err
}

func undo(ctx context.Context, tx pgx.Tx, p UndoParams) (out Undone, err error) {
	var now time.Time
	counts := loadCounts{}
	if err := tx.QueryRow(ctx, `SELECT now(), last_value FROM rename_id_seq`).Scan(&now, &counts.firstID); err != nil {
		return out, fmt.Errorf("error preparing the undo: %w", err)
	}
	out.BatchID, err = insertUndo(ctx, tx, p.BatchID)
	if err != nil {
		return out, err
	}
	if len(p.Statuses) == 0 {
		p.Statuses = []RowStatus{RowSucceeded}
	}
	args := pgx.NamedArgs{
		"batch": p.BatchID, "undo": out.BatchID, "statuses": p.Statuses, "now": now,
		"since": nullTime(p.Since), "until": nullTime(p.Until),
	}
	if err := tx.QueryRow(ctx, undoSQL, args).Scan(&counts.total, &counts.invalid, &out.NoBefore, &counts.lastID); err != nil {
		return out, fmt.Errorf("error writing down the values before: %w", err)
	}
	out.Rows = counts.total
	switch {
	case out.Rows == 0 && out.NoBefore > 0:
		return out, fmt.Errorf("%w for batch %d: nobody read the site before its rows were sent, as a plan and --snapshot do", ErrNoBefore, p.BatchID)
	case out.Rows == 0:
		return out, fmt.Errorf("%w: no row of batch %d that was chosen has been sent", ErrNothingSent, p.BatchID)
	}
	return out, tallyLoad(ctx, tx, out.BatchID, counts)
}

func insertUndo(ctx context.Context, tx pgx.Tx, of int64) (id int64, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO batch (site_id, name, source, priority, undoes)
		SELECT site_id, left('undo of ' || name, 200), format('the values before batch %s', id), priority, id
		FROM batch WHERE id = $1 RETURNING id`, of).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, noBatch(of)
	}
	if err != nil {
		return 0, fmt.Errorf("error creating the batch: %w", err)
	}
	return id, nil
}

// undoSQL puts back only what a row set. An asset cannot be given no name, so a
// row that would do that is refused; no alt text is an empty one.
const undoSQL = `
WITH sent AS (
	SELECT r.id, r.line, r.site_id, r.asset_id, r.locale_id, r.before_at, r.finished_at,
		CASE WHEN r.display_name IS NOT NULL THEN nullif(r.before_name, '') END AS display_name,
		CASE WHEN r.alt_text IS NOT NULL THEN coalesce(r.before_alt_text, '') END AS alt_text,
		coalesce(r.applied_name, r.display_name) AS sent_name, r.alt_text AS sent_alt_text
	FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
	WHERE b.id = @batch AND r.status = ANY (@statuses) AND r.fence > 0 AND r.finished_at IS NOT NULL
		AND (@since::timestamptz IS NULL OR r.finished_at >= @since) AND (@until::timestamptz IS NULL OR r.finished_at < @until)
), put AS (
	INSERT INTO rename (batch_id, site_id, line, asset_id, locale_id, display_name, alt_text,
		before_name, before_alt_text, before_at, status, finished_at, error)
	SELECT @undo, site_id, line, asset_id, locale_id, display_name, alt_text, sent_name, sent_alt_text, finished_at,
		CASE WHEN refused THEN 'invalid' ELSE 'pending' END, CASE WHEN refused THEN @now::timestamptz END,
		CASE WHEN refused THEN 'the asset had no name before, and Webflow takes no empty one' END
	FROM sent CROSS JOIN LATERAL (SELECT display_name IS NULL AND alt_text IS NULL AS refused) r
	WHERE before_at IS NOT NULL ORDER BY id
	RETURNING id, status
)
SELECT count(*), count(*) FILTER (WHERE status = 'invalid'),
	(SELECT count(*) FROM sent WHERE before_at IS NULL), coalesce(max(id), 0)
FROM put`

// nullTime is nil for the zero time.
func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
