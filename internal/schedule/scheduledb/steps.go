package scheduledb

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// RunWork is a run that a process has claimed, and how far it is.
type RunWork struct {
	RunID      int64
	Fence      int // of the claim: a step counts only for this one
	ScheduleID int
	DueAt      time.Time
	BatchID    *int64  // it is loaded
	Pass       *string // JSON: how far the site was read
	ComparedAt *time.Time
	Reads      int64
	Failures   int
}

// ClaimRunParams asks for a run.
type ClaimRunParams struct {
	RunID     int64
	ProcessID string
	Now       time.Time
	Lanes     map[int]string // the claimer's tokens, as in db.ClaimParams
	Stale     time.Duration  // as in db.FeedParams
}

// ClaimRun claims a run that is due and that no other living process works at, and reads
// its schedule; ok is false when there is none. The caller must know which runs it works
// at itself.
func ClaimRun(ctx context.Context, d *db.DB, p ClaimRunParams) (w RunWork, s Schedule, ok bool, err error) {
	sites, lanes := pg.Columns(p.Lanes)
	list, err := pg.Collect[RunWork](ctx, d.Pool(), "claiming the run", `
		UPDATE schedule_run r SET process_id = @process_id, fence = r.fence + 1,
			started_at = coalesce(r.started_at, clock_timestamp())
		FROM schedule c JOIN site s ON s.id = c.site_id
		WHERE r.id = @id AND c.id = r.schedule_id AND r.status = 'reading' AND s.parked_at IS NULL AND s.paused_at IS NULL
			AND (r.not_before IS NULL OR r.not_before <= @now)
			AND NOT EXISTS (
				SELECT FROM unnest(@own_sites::int[], @own_lanes::text[]) AS own (site_id, lane) JOIN site_refusal f USING (site_id, lane)
				WHERE f.site_id = s.id)
			AND (r.process_id IS NULL OR r.process_id = @process_id OR NOT EXISTS (
				SELECT FROM process p WHERE p.id = r.process_id AND p.heartbeat_at > clock_timestamp() - @stale::interval))
		RETURNING r.id AS run_id, r.fence, r.schedule_id, r.due_at, r.batch_id, r.pass::text AS pass, r.compared_at, r.reads,
			r.failures::int AS failures`,
		pgx.NamedArgs{
			"id": p.RunID, "process_id": p.ProcessID, "now": p.Now, "stale": cmp.Or(p.Stale, db.ProcessStale), "own_sites": sites, "own_lanes": lanes,
		})
	if err != nil || len(list) == 0 {
		return w, s, false, err
	}
	schedules, err := pg.Collect[Schedule](ctx, d.Pool(), "reading the schedule",
		scheduleSQL+`WHERE c.id = @id`, pgx.NamedArgs{"id": list[0].ScheduleID})
	if err != nil || len(schedules) == 0 {
		return w, s, false, err
	}
	return list[0], schedules[0], true, nil
}

// step records a step of a run, guarded by its claim; the error is ErrRunLost when the
// run does not belong to this claim any more.
func step(ctx context.Context, tx pg.Execer, w RunWork, set string, args pgx.NamedArgs) error {
	args["run"], args["fence"] = w.RunID, w.Fence
	tag, err := tx.Exec(ctx, `UPDATE schedule_run SET `+set+` WHERE id = @run AND fence = @fence AND status = 'reading'`, args)
	if err != nil {
		return fmt.Errorf("error recording a step of the run: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrRunLost
	}
	return nil
}

// lockSchedule comes before the lock of a run, here and where runs start.
func lockSchedule(ctx context.Context, tx pgx.Tx, id int) error {
	if _, err := tx.Exec(ctx, `SELECT FROM schedule WHERE id = $1 FOR NO KEY UPDATE`, id); err != nil {
		return fmt.Errorf("error locking the schedule: %w", err)
	}
	return nil
}

// LockRun locks a run before its plan is applied. Runs are locked before batches, here and
// in cancelRuns.
func LockRun(ctx context.Context, tx pgx.Tx, w RunWork) error {
	tag, err := tx.Exec(ctx, `
		SELECT FROM schedule_run WHERE id = @run AND fence = @fence AND status = 'reading' FOR NO KEY UPDATE`,
		pgx.NamedArgs{"run": w.RunID, "fence": w.Fence})
	if err != nil {
		return fmt.Errorf("error locking the run: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrRunLost
	}
	return nil
}

// RunLoaded records the run's batch, in the transaction of its load.
func RunLoaded(ctx context.Context, tx pgx.Tx, w RunWork, batchID, reads int64, note string) error {
	return step(ctx, tx, w, `batch_id = @batch, reads = reads + @reads, note = nullif(@note, '')`,
		pgx.NamedArgs{"batch": batchID, "reads": reads, "note": note})
}

// SavePass records how far the site was read, so that the run can go on from there.
func SavePass(ctx context.Context, d *db.DB, w RunWork, pass []byte, reads int64) error {
	return step(ctx, d.Pool(), w, `pass = @pass::text::jsonb, reads = @reads`, pgx.NamedArgs{"pass": string(pass), "reads": reads})
}

// ComparedParams are the result of a run's comparison.
type ComparedParams struct {
	Reads int64
	Note  string // how it was compared; may be empty
	Held  string // why its plan waits for a person; empty: it does not
}

// RunCompared records the comparison, and how much the plan would change. It replaces the
// plans of earlier runs that still wait for a person.
func RunCompared(ctx context.Context, d *db.DB, w RunWork, p ComparedParams) error {
	return pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
		if err := lockSchedule(ctx, tx, w.ScheduleID); err != nil {
			return err
		}
		err := step(ctx, tx, w, `
			compared_at = clock_timestamp(), reads = @reads, note = coalesce(nullif(concat_ws('; ', note, nullif(@note, '')), ''), note),
			looked_at = (SELECT total FROM batch WHERE id = batch_id), different = (SELECT total - ended FROM batch WHERE id = batch_id),
			status = CASE WHEN @held = '' THEN status ELSE 'held' END,
			process_id = CASE WHEN @held = '' THEN process_id END,
			error = nullif(@held, '')`, pgx.NamedArgs{"reads": p.Reads, "note": p.Note, "held": p.Held})
		if err != nil {
			return err
		}
		if err := replaceHeld(ctx, tx, w); err != nil || p.Held == "" {
			return err
		}
		return recordState(ctx, tx, w.RunID, "held", p.Held)
	})
}

// replaceHeld ends earlier runs whose plans wait for a person. It skips a plan that is
// locked, as somebody is just working with it: if that is applied, the next turn follows
// it; if not, the next run replaces it.
func replaceHeld(ctx context.Context, tx pgx.Tx, w RunWork) error {
	_, err := tx.Exec(ctx, `
		WITH held AS MATERIALIZED (
			SELECT r.id FROM schedule_run r JOIN batch b ON b.id = r.batch_id
			WHERE r.schedule_id = @schedule AND r.status = 'held' AND r.finished_at IS NULL AND r.id <> @run AND b.status = 'planned'
			FOR NO KEY UPDATE OF b SKIP LOCKED
		)
		UPDATE schedule_run r SET status = 'cancelled', finished_at = clock_timestamp(), drops_plan = true,
			note = format('replaced by run %s', @run::bigint)
		FROM held WHERE r.id = held.id`, pgx.NamedArgs{"schedule": w.ScheduleID, "run": w.RunID})
	if err != nil {
		return fmt.Errorf("error replacing earlier plans: %w", err)
	}
	return nil
}

// RunApplied records that the run's batch is being sent, in the transaction that applies
// the plan.
func RunApplied(ctx context.Context, tx pgx.Tx, w RunWork) error {
	return step(ctx, tx, w, `
		status = 'sending', applied_at = clock_timestamp(), process_id = NULL,
		different = greatest(different, (SELECT total - ended FROM batch WHERE id = batch_id))`, pgx.NamedArgs{})
}

// RunUnchanged ends a run whose rule had nothing to rename.
func RunUnchanged(ctx context.Context, d *db.DB, w RunWork, lookedAt int64, note string) error {
	return pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
		if err := lockSchedule(ctx, tx, w.ScheduleID); err != nil {
			return err
		}
		err := step(ctx, tx, w, `
			status = 'done', compared_at = clock_timestamp(), finished_at = clock_timestamp(), process_id = NULL, error = NULL,
			reads = @reads, looked_at = @looked_at, note = @note`, pgx.NamedArgs{"reads": w.Reads, "looked_at": lookedAt, "note": note})
		if err != nil {
			return err
		}
		if err := replaceHeld(ctx, tx, w); err != nil {
			return err
		}
		return recordState(ctx, tx, w.RunID, "ok", note)
	})
}

// FailRun ends a run that failed. Nothing of it is sent.
func FailRun(ctx context.Context, d *db.DB, w RunWork, reason string) error {
	return pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
		if err := lockSchedule(ctx, tx, w.ScheduleID); err != nil {
			return err
		}
		err := step(ctx, tx, w, `
			status = 'failed', finished_at = clock_timestamp(), process_id = NULL, error = @reason, drops_plan = batch_id IS NOT NULL`,
			pgx.NamedArgs{"reason": reason})
		if err != nil {
			return err
		}
		return recordState(ctx, tx, w.RunID, "failed", reason)
	})
}

// RetryRun lets a run go on later, after a failure that may be temporary.
func RetryRun(ctx context.Context, d *db.DB, w RunWork, at time.Time, reason string) error {
	return step(ctx, d.Pool(), w, `failures = failures + 1, not_before = @at, process_id = NULL, error = @reason`,
		pgx.NamedArgs{"at": at, "reason": reason})
}

// ReleaseRun gives a run up, so that another process can go on with it at once.
func ReleaseRun(ctx context.Context, d *db.DB, w RunWork) error {
	return step(ctx, d.Pool(), w, `process_id = NULL`, pgx.NamedArgs{})
}
