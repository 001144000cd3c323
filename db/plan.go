package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/failpoint"
	"relabel/internal/pg"
)

// CompareParams name a plan, and the states of its site to compare it with: those read
// since then.
type CompareParams struct {
	BatchID  int64
	Since    time.Time
	ReadBy   string // list, get or both
	Reads    int64  // calls that took
	TakeOver bool   // send rows too whose target somebody else changed
}

// ErrNotPlanned means that a batch is not a plan any more, or never was one.
var ErrNotPlanned = errors.New("only plans can be applied")

// Compare gives each row of a plan its status and its value before, by the state of the
// site that was just read (compare.sql). Rows that stay pending are what the plan will
// send; rows whose asset was not found are failed. It may be repeated with a newer
// reading.
//
// One look-up in asset_state a row, and where the values differ one in
// rename_target_idx.
func (db *DB) Compare(ctx context.Context, p CompareParams) error {
	return db.onPlan(ctx, p.BatchID, func(tx pgx.Tx, _ plannedBatch) error {
		if _, err := tx.Exec(ctx, statement("compare"), pgx.NamedArgs{
			"batch": p.BatchID, "since": p.Since, "take_over": p.TakeOver,
		}); err != nil {
			return fmt.Errorf("error comparing with the site: %w", err)
		}
		_, err := tx.Exec(ctx, `
			UPDATE batch SET planned_at = @since, read_by = @read_by, reads = reads + @reads WHERE id = @batch`,
			pgx.NamedArgs{"batch": p.BatchID, "since": p.Since, "read_by": p.ReadBy, "reads": p.Reads})
		if err != nil {
			return fmt.Errorf("error recording the comparison: %w", err)
		}
		return nil
	})
}

// CompareWithRecord compares a plan with our own record of what was sent, for a token
// that may not read the site.
func (db *DB) CompareWithRecord(ctx context.Context, batchID int64) error {
	return db.onPlan(ctx, batchID, func(tx pgx.Tx, plan plannedBatch) error {
		if !plan.Forced {
			if err := markUnchanged(ctx, tx, batchID); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `
			UPDATE batch SET planned_at = clock_timestamp(), read_by = 'record' WHERE id = $1`, batchID)
		if err != nil {
			return fmt.Errorf("error recording the comparison: %w", err)
		}
		return nil
	})
}

// onPlan runs fn while nobody else can change the plan.
func (db *DB) onPlan(ctx context.Context, batchID int64, fn func(pgx.Tx, plannedBatch) error) error {
	return pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL work_mem = '`+loadMemory+`'`); err != nil {
			return fmt.Errorf("error preparing the plan: %w", err)
		}
		plan, err := lockPlan(ctx, tx, batchID)
		if err != nil {
			return err
		}
		return fn(tx, plan)
	})
}

type plannedBatch struct {
	SiteID   int
	Status   BatchStatus
	Pending  int64
	Forced   bool // what the target has already is sent too
	ByRecord bool // it was compared with our own record
}

func lockPlan(ctx context.Context, tx pgx.Tx, batchID int64) (plannedBatch, error) {
	list, err := pg.Collect[plannedBatch](ctx, tx, "reading the plan", `
		SELECT site_id, status, total - ended AS pending, forced, read_by IS NOT DISTINCT FROM 'record' AS by_record
		FROM batch WHERE id = @batch FOR UPDATE`,
		pgx.NamedArgs{"batch": batchID})
	switch {
	case err != nil:
		return plannedBatch{}, err
	case len(list) == 0:
		return plannedBatch{}, NoBatchError(batchID)
	case list[0].Status != BatchPlanned:
		return plannedBatch{}, fmt.Errorf("batch %d is already %s; %w", batchID, list[0].Status, ErrNotPlanned)
	}
	return list[0], nil
}

// ApplyParams make a plan an ordinary batch.
type ApplyParams struct {
	BatchID  int64
	Replaces int64                               // a batch whose rows that are still open are cancelled; 0: none
	Notify   []string                            // more addresses that get notices about it
	Lock     func(context.Context, pgx.Tx) error // what to lock first, in the same transaction; nil: nothing
	Queue    func(context.Context, pgx.Tx) error // gives the first renames their jobs, in the same transaction
}

// Apply accepts a planned batch in its site's order, as Load does with others
// (acceptBatch), and its first renames get their jobs in the same transaction.
//
// Where relabel itself has sent something to a target since the site was read, its
// own record decides: a row whose value is there by now becomes unchanged, and a row
// that was unchanged is sent after all if something else was sent, or is about to be.
func (db *DB) Apply(ctx context.Context, p ApplyParams) error {
	var site int
	err := pg.RetryDeadlock(func() error {
		return db.InTx(ctx, func(tx pgx.Tx) (err error) {
			site, err = db.apply(ctx, tx, p)
			failpoint.Hit("applying")
			return err
		})
	})
	if err != nil {
		return err
	}
	db.acceptAll(ctx, site)
	return nil
}

func (db *DB) apply(ctx context.Context, tx pgx.Tx, p ApplyParams) (site int, err error) {
	if p.Lock != nil {
		if err := p.Lock(ctx, tx); err != nil {
			return 0, err
		}
	}
	if site, err = siteOfPlan(ctx, tx, p.BatchID); err != nil {
		return 0, err
	}
	acceptance, err := nextAcceptance(ctx, tx, site)
	if err != nil {
		return 0, err
	}
	if _, err := lockPlan(ctx, tx, p.BatchID); err != nil {
		return 0, err
	}
	if err := addNotify(ctx, tx, p.BatchID, p.Notify); err != nil {
		return 0, err
	}
	if err := startBatch(ctx, tx, p.BatchID, acceptance); err != nil {
		return 0, err
	}
	if acceptance > 1 {
		if err := db.acceptRows(ctx, tx, p.BatchID); err != nil {
			return 0, err
		}
	}
	if p.Replaces != 0 { // after its rows: batches are locked last
		if err := replaceBatch(ctx, tx, p.Replaces, p.BatchID); err != nil {
			return 0, err
		}
	}
	return site, p.Queue(ctx, tx)
}

// siteOfPlan reads the plan's site. The acceptance lock of the site comes before the lock
// of the plan.
func siteOfPlan(ctx context.Context, tx pgx.Tx, batchID int64) (siteID int, err error) {
	err = tx.QueryRow(ctx, `SELECT site_id FROM batch WHERE id = $1`, batchID).Scan(&siteID)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, NoBatchError(batchID)
	}
	if err != nil {
		return 0, fmt.Errorf("error reading the plan: %w", err)
	}
	return siteID, nil
}

// replaceBatch cancels what is left of a batch: the newer one takes its place.
// Its open rows whose target the newer one names are superseded; then the others
// end as those of any cancelled batch.
func replaceBatch(ctx context.Context, tx pgx.Tx, old, by int64) error {
	n, err := cancelBatches(ctx, tx, openBatchSQL, pgx.NamedArgs{"id": old, "reason": fmt.Sprintf("replaced by batch %d", by)})
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		UPDATE batch SET replaced_by = @by
		WHERE id = @old AND (@cancelled OR superseded > 0 AND finished_at >= now())`, // or this transaction has superseded its last row
		pgx.NamedArgs{"old": old, "by": by, "cancelled": n > 0}); err != nil {
		return fmt.Errorf("error replacing batch %d: %w", old, err)
	}
	return nil
}

// EndEmpty ends a compared plan that has nothing to send: there is nothing to apply.
// It leaves a plan with conflicts alone, as those can still be taken over.
func (db *DB) EndEmpty(ctx context.Context, batchID int64) (ended bool, err error) {
	err = db.onPlan(ctx, batchID, func(tx pgx.Tx, _ plannedBatch) error {
		tag, err := tx.Exec(ctx, `
			UPDATE batch SET status = 'done', finished_at = clock_timestamp()
			WHERE id = $1 AND planned_at IS NOT NULL AND ended = total AND conflict = 0`, batchID)
		if err != nil {
			return fmt.Errorf("error ending the empty plan: %w", err)
		}
		ended = tag.RowsAffected() > 0
		return nil
	})
	return ended, err
}

// Discard cancels a plan.
func (db *DB) Discard(ctx context.Context, batchID int64) error {
	return db.onPlan(ctx, batchID, func(tx pgx.Tx, _ plannedBatch) error {
		_, err := tx.Exec(ctx, `
			WITH moved AS (
				UPDATE rename r SET status = 'cancelled', finished_at = clock_timestamp()
				FROM batch b WHERE b.id = @batch AND r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
					AND r.finished_at IS NULL
				RETURNING r.batch_id, 'pending' AS was, r.status
			), `+statement("count_moves"), pgx.NamedArgs{"batch": batchID})
		if err == nil {
			_, err = cancelBatches(ctx, tx, `SELECT @id::bigint AS id`, pgx.NamedArgs{"id": batchID, "reason": nil})
		}
		if err != nil {
			return fmt.Errorf("error discarding the plan: %w", err)
		}
		return nil
	})
}

// Forget deletes a plan that nobody was shown.
func (db *DB) Forget(ctx context.Context, batchID int64) error {
	return db.onPlan(ctx, batchID, func(tx pgx.Tx, _ plannedBatch) error {
		batch := &pgx.Batch{}
		batch.Queue(`
			DELETE FROM rename r USING batch b
			WHERE b.id = $1 AND r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id`, batchID)
		batch.Queue(`DELETE FROM batch WHERE id = $1`, batchID)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return fmt.Errorf("error deleting the plan: %w", err)
		}
		return nil
	})
}

// DiscardIdle cancels those of the batches that are still plans. It skips a plan that is
// locked, as it is being compared or applied. CancelOpen ends their rows.
func (db *DB) DiscardIdle(ctx context.Context, ids []int64) error {
	_, err := cancelBatches(ctx, db.Pool(), `
		SELECT id FROM batch WHERE id = ANY (@batches) AND status = 'planned' ORDER BY id FOR NO KEY UPDATE SKIP LOCKED`,
		pgx.NamedArgs{"batches": ids, "reason": nil})
	return err
}

// PlanState is a plan's site, and how old its comparison is.
type PlanState struct {
	Site      Site
	PlannedAt *time.Time
	Now       time.Time
}

// Stale reports whether the plan was never compared, or too long ago. A plan that was
// compared with our own record does not age.
func (s PlanState) Stale(maxAge time.Duration) bool {
	return s.PlannedAt == nil || s.Now.Sub(*s.PlannedAt) > maxAge
}

// PlanState reads the state of a plan; the error is ErrNotPlanned when the batch is none.
func (db *DB) PlanState(ctx context.Context, batchID int64) (st PlanState, err error) {
	var siteID int
	var status BatchStatus
	err = db.Pool().QueryRow(ctx, `
		SELECT site_id, status, CASE WHEN read_by = 'record' THEN clock_timestamp() ELSE planned_at END, clock_timestamp()
		FROM batch WHERE id = $1`, batchID).Scan(&siteID, &status, &st.PlannedAt, &st.Now)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return st, NoBatchError(batchID)
	case err != nil:
		return st, fmt.Errorf("error reading the plan: %w", err)
	case status != BatchPlanned:
		return st, fmt.Errorf("batch %d is already %s; %w", batchID, status, ErrNotPlanned)
	}
	st.Site, err = db.SiteByID(ctx, siteID)
	return st, err
}
