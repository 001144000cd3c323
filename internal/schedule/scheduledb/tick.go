package scheduledb

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/failpoint"
	"relabel/internal/pg"
)

// Occurrence is what to do for a schedule that is due.
type Occurrence struct {
	Next       *time.Time // when it is due again; nil: never
	Run        *time.Time // run it now, as due then; nil: don't
	Missed     int        // the number of runs that are not made up for
	MissedFrom time.Time  // the first of them
}

// StartDueParams name the site whose schedules to start, and the time.
type StartDueParams struct {
	SiteID int
	Skip   []int // schedules that could not be started a moment ago
	Now    time.Time
	Judge  func(s Schedule, due time.Time) (Occurrence, error)
	Queue  func(ctx context.Context, tx pgx.Tx, runs []db.QueueRun) error // gives runs their jobs, in the same transaction
}

// claimDueSQL claims the schedule that has been due for the longest time, and that no
// other process is claiming. Its next time is set later in the transaction. Served by
// schedule_due_idx.
const claimDueSQL = `
WITH due AS (
	SELECT id, next_run_at AS due_at FROM schedule
	WHERE site_id = @site AND next_run_at <= @now AND NOT id = ANY (@skip)
	ORDER BY next_run_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE schedule SET next_run_at = NULL FROM due WHERE schedule.id = due.id RETURNING due.id, due.due_at`

type claimedSchedule struct {
	ID    int
	DueAt time.Time
}

// StartDue starts the run of one schedule that is due, exactly once over all processes:
// it claims the schedule, sets its next time, and inserts the run and its job, in one
// transaction. It returns the schedule, or the zero Schedule when none is due. With an
// error that concerns only one schedule it returns that schedule, so that the caller can
// start the others.
func StartDue(ctx context.Context, d *db.DB, p StartDueParams) (s Schedule, err error) {
	err = pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
		claimed, err := pg.Collect[claimedSchedule](ctx, tx, "claiming a due schedule", claimDueSQL,
			pgx.NamedArgs{"site": p.SiteID, "now": p.Now, "skip": append([]int{}, p.Skip...)})
		if err != nil || len(claimed) == 0 {
			return err
		}
		list, err := pg.Collect[Schedule](ctx, tx, "reading the schedule", scheduleSQL+`WHERE c.id = @id`, pgx.NamedArgs{"id": claimed[0].ID})
		if err != nil || len(list) == 0 {
			return err
		}
		s = list[0]
		o, err := p.Judge(s, claimed[0].DueAt)
		if err != nil {
			return err
		}
		run, err := startDue(ctx, tx, s, o)
		if err != nil {
			return err
		}
		failpoint.Hit("due-claimed")
		if run == 0 {
			return nil
		}
		return p.Queue(ctx, tx, []db.QueueRun{{RunID: run, Site: s.Site}})
	})
	if s.ID != 0 {
		failpoint.Hit("due-started")
	}
	return s, err
}

func startDue(ctx context.Context, tx pgx.Tx, s Schedule, o Occurrence) (run int64, err error) {
	if _, err := tx.Exec(ctx, `UPDATE schedule SET next_run_at = $2 WHERE id = $1`, s.ID, o.Next); err != nil {
		return 0, fmt.Errorf("error setting the next time of %s: %w", s.Name, err)
	}
	if err := forgetRuns(ctx, tx, s); err != nil {
		return 0, err
	}
	if o.Missed > 0 {
		if err := recordMissed(ctx, tx, s, o); err != nil {
			return 0, err
		}
	}
	if o.Run == nil {
		return 0, nil
	}
	id, open, err := startRun(ctx, tx, s, *o.Run, false)
	if err != nil || !open {
		return 0, err
	}
	return id, nil
}

// recordMissed records the missed runs in the history. It makes a notice only when no run
// makes up for them.
func recordMissed(ctx context.Context, tx pgx.Tx, s Schedule, o Occurrence) error {
	note := "no worker was running; the last run that was due is made up for"
	if o.Run == nil {
		note = fmt.Sprintf("no worker was running, and it was too late to make up for it (--catch-up %s)", s.CatchUp)
	}
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO schedule_run (schedule_id, due_at, status, missed, note, finished_at)
		VALUES (@schedule, @due, 'missed', @missed, @note, clock_timestamp()) RETURNING id`,
		pgx.NamedArgs{"schedule": s.ID, "due": o.MissedFrom, "missed": o.Missed, "note": note}).Scan(&id)
	if err != nil {
		return fmt.Errorf("error recording what %s missed: %w", s.Name, err)
	}
	if o.Run != nil {
		return nil
	}
	return recordState(ctx, tx, id, "missed", note)
}

// NextDue is when the next schedule of a site is due; nil when none is.
func NextDue(ctx context.Context, d *db.DB, siteID int) (at *time.Time, err error) {
	err = d.Pool().QueryRow(ctx, `
		SELECT (SELECT next_run_at FROM schedule WHERE site_id = $1 AND next_run_at IS NOT NULL ORDER BY next_run_at LIMIT 1)`,
		siteID).Scan(&at)
	if err != nil {
		return nil, fmt.Errorf("error reading when a schedule is due: %w", err)
	}
	return at, nil
}

// TendRuns moves the runs of a site on, one process at a time. Waiting runs begin, runs
// whose batch has ended end, plans that a person has applied or discarded are followed,
// and a run without a job gets one. So no job has to wait for a batch, and a crash needs
// no recovery of its own.
//
// p names the site and the process, and queue gives runs their jobs, in the same
// transaction. It reports whether runs are under way: then the next turn should come soon.
func TendRuns(ctx context.Context, d *db.DB, p db.LostRunsParams, queue func(context.Context, pgx.Tx, []db.QueueRun) error) (busy bool, err error) {
	err = pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
		var ok bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtext('relabel schedules'), $1)`, p.SiteID).Scan(&ok); err != nil || !ok {
			return err
		}
		if err := bringOn(ctx, tx, p.SiteID); err != nil {
			return err
		}
		if err := recordStuck(ctx, tx, p.SiteID); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, busySQL, p.SiteID).Scan(&busy); err != nil {
			return fmt.Errorf("error looking for runs under way: %w", err)
		}
		runs, err := db.LostRuns(ctx, tx, p)
		if err != nil || len(runs) == 0 {
			return err
		}
		return queue(ctx, tx, runs)
	})
	return busy, err
}

// bringOn ends what has ended first: a run that waited for it then begins.
func bringOn(ctx context.Context, tx pgx.Tx, siteID int) error {
	change := func(sql string) error {
		if _, err := tx.Exec(ctx, sql, pgx.NamedArgs{"site": siteID}); err != nil {
			return fmt.Errorf("error tending runs: %w", err)
		}
		return nil
	}
	if err := change(lockSchedulesSQL); err != nil {
		return err
	}
	if err := change(followPlansSQL); err != nil {
		return err
	}
	if err := endRuns(ctx, tx, siteID); err != nil {
		return err
	}
	return change(beginWaitingSQL)
}

const (
	// lockSchedulesSQL: schedules come before their runs, as where runs start.
	lockSchedulesSQL = `
SELECT FROM schedule c WHERE c.site_id = @site
	AND EXISTS (SELECT FROM schedule_run r WHERE r.schedule_id = c.id AND r.finished_at IS NULL)
ORDER BY c.id FOR NO KEY UPDATE`

	// followPlansSQL: a person has applied a plan that was held back, or discarded it.
	followPlansSQL = `
UPDATE schedule_run r SET
	status = CASE WHEN b.acceptance IS NULL THEN 'cancelled' ELSE 'sending' END,
	finished_at = CASE WHEN b.acceptance IS NULL THEN clock_timestamp() END,
	applied_at = b.started_at, error = NULL, note = CASE WHEN b.acceptance IS NULL THEN 'its plan was discarded' ELSE 'its plan was applied by hand' END
FROM schedule c, batch b
WHERE c.site_id = @site AND r.schedule_id = c.id AND r.finished_at IS NULL AND r.status = 'held'
	AND b.id = r.batch_id AND b.status <> 'planned'`

	// beginWaitingSQL: the earlier run of a waiting one has ended.
	beginWaitingSQL = `
UPDATE schedule_run r SET status = 'reading', note = NULL FROM schedule c
WHERE c.site_id = @site AND r.schedule_id = c.id AND r.finished_at IS NULL AND r.status = 'waiting'
	AND NOT EXISTS (
		SELECT FROM schedule_run o WHERE o.schedule_id = c.id AND o.finished_at IS NULL AND o.status IN ('reading', 'sending'))`

	// endRunsSQL: a batch has ended, and its run with it. The counts are kept here.
	endRunsSQL = `
UPDATE schedule_run r SET
	status = CASE WHEN b.status = 'cancelled' THEN 'cancelled' ELSE 'done' END, finished_at = b.finished_at,
	note = CASE WHEN b.status = 'cancelled' THEN concat_ws('; ', r.note, 'its batch was cancelled') ELSE r.note END,
	renamed = b.succeeded, failed = b.failed, conflicts = b.conflict, invalid = b.invalid,
	writes = b.calls, rate_limited = b.rate_limited
FROM schedule c, batch b
WHERE c.site_id = @site AND r.schedule_id = c.id AND r.finished_at IS NULL AND r.status = 'sending'
	AND b.id = r.batch_id AND b.finished_at IS NOT NULL
RETURNING r.id AS run, r.status, b.failed + b.conflict + b.invalid AS trouble`

	// stuckSQL: runs that wait for a person, which they did not when they began. A
	// batch that relabel itself has paused has a reason.
	stuckSQL = `
SELECT r.id AS run, CASE WHEN s.parked_at IS NOT NULL THEN 'parked' ELSE 'held' END AS state,
	CASE WHEN s.parked_at IS NOT NULL THEN s.parked_reason ELSE b.status_reason END AS detail
FROM schedule c JOIN site s ON s.id = c.site_id
JOIN schedule_run r ON r.schedule_id = c.id AND r.finished_at IS NULL AND r.status IN ('reading', 'sending')
LEFT JOIN batch b ON b.id = r.batch_id AND r.status = 'sending'
WHERE c.site_id = @site AND (s.parked_at IS NOT NULL OR b.status = 'paused' AND b.status_reason IS NOT NULL)`

	busySQL = `
SELECT EXISTS (SELECT FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.finished_at IS NULL
	WHERE c.site_id = $1 AND r.status <> 'held')`
)

type endedRun struct {
	Run     int64
	Status  RunStatus
	Trouble int64
}

func endRuns(ctx context.Context, tx pgx.Tx, siteID int) error {
	ended, err := pg.Collect[endedRun](ctx, tx, "ending runs", endRunsSQL, pgx.NamedArgs{"site": siteID})
	if err != nil {
		return err
	}
	for _, r := range ended {
		failpoint.Hit("run-ending")
		state, detail := "ok", "all rows are as the source wants them"
		if r.Trouble > 0 {
			state, detail = "trouble", fmt.Sprintf("rows that did not succeed: %d", r.Trouble)
		}
		if r.Status != RunDone {
			continue
		}
		if err := recordState(ctx, tx, r.Run, state, detail); err != nil {
			return err
		}
	}
	return nil
}

type stuckRun struct {
	Run    int64
	State  string
	Detail string
}

func recordStuck(ctx context.Context, tx pgx.Tx, siteID int) error {
	stuck, err := pg.Collect[stuckRun](ctx, tx, "reading runs that wait for a person", stuckSQL, pgx.NamedArgs{"site": siteID})
	if err != nil {
		return err
	}
	for _, r := range stuck {
		if err := recordState(ctx, tx, r.Run, r.State, r.Detail); err != nil {
			return err
		}
	}
	return nil
}

// dropPlans cancels the plans of runs that ended without sending them. The workers end
// their rows, as those of any cancelled batch. A plan that somebody works with is left
// for the next time.
func dropPlans(ctx context.Context, d *db.DB, siteID int) error {
	plans, err := pg.CollectIDs(ctx, d.Pool(), "reading plans to discard", `
		SELECT b.id FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.drops_plan
		JOIN batch b ON b.id = r.batch_id AND b.status = 'planned'
		WHERE c.site_id = @site`, pgx.NamedArgs{"site": siteID})
	if err != nil {
		return err
	}
	if err := d.DiscardIdle(ctx, plans); err != nil {
		return fmt.Errorf("error discarding plans of runs: %w", err)
	}
	_, err = d.Pool().Exec(ctx, `
		UPDATE schedule_run r SET drops_plan = false FROM schedule c
		WHERE c.site_id = $1 AND r.schedule_id = c.id AND r.drops_plan
			AND NOT EXISTS (SELECT FROM batch b WHERE b.id = r.batch_id AND b.status = 'planned')`, siteID)
	if err != nil {
		return fmt.Errorf("error recording that plans are discarded: %w", err)
	}
	return nil
}
