package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"relabel/internal/schedule/scheduledb"
	"relabel/jobs"
)

// SyncArgs points a job at a run. The job carries nothing else: the run's state
// is in our tables.
type SyncArgs struct {
	RunID int64 `json:"run_id"`
}

// Kind implements river.JobArgs.
func (SyncArgs) Kind() string { return "locale_sync" }

// syncWorker does the steps of a run that are not done yet. It returns no error
// to River: the run's row records the result, and the next turn gives an open run
// another job.
type syncWorker struct {
	river.WorkerDefaults[SyncArgs]

	runner *Runner
}

// Timeout implements river.Worker. There is none: the rate limit decides how long
// reading a site takes.
func (*syncWorker) Timeout(*river.Job[SyncArgs]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *syncWorker) Work(ctx context.Context, job *river.Job[SyncArgs]) error {
	if w.runner == nil {
		return errors.New("this process works no schedules")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.runner.stopping, cancel)()
	w.runner.workRun(ctx, job.Args.RunID)
	return nil
}

// workRun claims a run and does its steps.
func (r *Runner) workRun(ctx context.Context, id int64) {
	if !r.begin(id) {
		return
	}
	defer r.wakeTurns()
	defer r.end(id)
	now, err := dbCall(ctx, r, r.cfg.Now)
	if err != nil {
		return // the next turn gives the run another job
	}
	w, s, ok, err := r.claim(ctx, id, now)
	if err != nil || !ok {
		return
	}
	t := r.turnsOf(s.SiteID)
	if t == nil { // the site was removed, or somebody moved the job into another site's queue
		r.logUnrecorded(id, scheduledb.ReleaseRun(ctx, r.cfg.DB, w))
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.gone, cancel)()
	one := &run{Runner: r, RunWork: w, schedule: s, site: t.site}
	if err := one.stepsOrPanic(ctx); err != nil {
		r.logUnrecorded(id, one.recordFailure(context.WithoutCancel(ctx), ctx.Err() != nil, now, err))
	}
}

func (r *Runner) claim(ctx context.Context, id int64, now time.Time) (scheduledb.RunWork, scheduledb.Schedule, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.dbTimeout)
	defer cancel()
	return scheduledb.ClaimRun(ctx, r.cfg.DB, scheduledb.ClaimRunParams{RunID: id, ProcessID: r.process, Now: now, Lanes: r.tokens(), Stale: jobs.DefaultTimes().Stale})
}

// stepsOrPanic does the steps and turns a panic into an error.
func (n *run) stepsOrPanic(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return n.steps(ctx)
}

func (r *Runner) logUnrecorded(run int64, err error) {
	if err != nil && !errors.Is(err, scheduledb.ErrRunLost) {
		r.cfg.Logger.Warn("the result of a run could not be recorded; the next turn continues the run", "run", run, "error", err)
	}
}
