package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// UndoParams choose the rows of a batch to put back.
type UndoParams struct {
	BatchID  int64
	Statuses []RowStatus // of rows whose call was made; none: succeeded
	Since    time.Time   // rows that ended then or later; zero: any
	Until    time.Time   // rows that ended before that; zero: any
}

// Undone is the plan that an undo made.
type Undone struct {
	BatchID  int64
	Rows     int64
	NoBefore int64 // rows that were sent, but can't be put back, as nobody read their value before; not in Rows
}

// Errors of Undo.
var (
	// ErrNoBefore means that nobody read what the assets held before.
	ErrNoBefore = errors.New("its old names weren't saved")

	// ErrNothingSent means that none of the chosen rows was sent.
	ErrNothingSent = errors.New("there is nothing to undo")
)

// Undo makes a plan that puts back what the targets of a batch held before it, to be
// compared with the site and applied like any plan. The value before of its rows is what
// we sent, so Compare finds a conflict where a target holds something else by now.
func (db *DB) Undo(ctx context.Context, p UndoParams) (out Undone, err error) {
	err = pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
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
	if err := tx.QueryRow(ctx, statement("undo"), args).Scan(&counts.total, &counts.invalid, &out.NoBefore, &counts.lastID); err != nil {
		return out, fmt.Errorf("error writing down the values before: %w", err)
	}
	out.Rows = counts.total
	switch {
	case out.Rows == 0 && out.NoBefore > 0:
		return out, fmt.Errorf("batch %d can't be undone: %w", p.BatchID, ErrNoBefore)
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
		return 0, NoBatchError(of)
	}
	if err != nil {
		return 0, fmt.Errorf("error creating the batch: %w", err)
	}
	return id, nil
}

// nullTime returns nil for the zero time.
func nullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
