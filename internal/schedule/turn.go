package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/jobs"
)

const (
	// turnEvery bounds how late a run is started, ended or recovered; a turn is a
	// few look-ups.
	turnEvery = 5 * time.Second

	// turnBusy is how soon the end of a run's batch is noticed.
	turnBusy = time.Second

	// turnAtOnce keeps a turn that another process is just taking from being asked
	// for without end.
	turnAtOnce = 250 * time.Millisecond

	// sitesAtOnce is how many sites take their turns side by side: less than half of
	// the process's connections.
	sitesAtOnce = 4

	// tidyAtOnce is how many sites are tidied up side by side.
	tidyAtOnce = 2

	// tripTime bounds one trip to the database, which takes milliseconds: after that
	// the connection is dead, though nobody said so, or a process that stands still
	// has what is wanted.
	tripTime = 10 * time.Second

	// onTime is how late a run may start without being made up for.
	onTime = time.Minute
)

// siteTurns are the turns of one site. Each site has a loop of its own, so that
// what can't be done for one is no other one's matter.
type siteTurns struct {
	runner *Runner
	site   jobs.SiteConfig
	wake   chan struct{}
	atOnce places // of the sites that take a turn
	tidies places // of those that are tidied up
}

// places bound how many sites do something at once: all sites share them.
type places chan struct{}

// take waits for a place, and tells how to leave it.
func (p places) take(ctx context.Context) (leave func(), err error) {
	select {
	case p <- struct{}{}:
		return func() { <-p }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// trip makes one trip to the database, with a bound.
func trip[T any](ctx context.Context, r *Runner, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.tripTime)
	defer cancel()
	return do(ctx)
}

// takeAll takes turns until ctx ends.
func (t *siteTurns) takeAll(ctx context.Context) {
	for ctx.Err() == nil {
		wait, _ := t.take(ctx) // it has logged what went wrong
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// soon asks for turns: something has become of a run.
func (r *Runner) soon() {
	for _, t := range r.turns {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
}

// Turn takes one turn for each site; it tells how long the next may wait.
func (r *Runner) Turn(ctx context.Context) (time.Duration, error) {
	waits := pool.NewWithResults[time.Duration]().WithErrors().WithCollectErrored()
	for _, t := range r.turns {
		waits.Go(func() (time.Duration, error) { return t.take(ctx) })
	}
	all, err := waits.Wait()
	least := turnEvery
	for _, wait := range all {
		least = min(least, wait)
	}
	return least, err
}

// take starts what is due and brings runs on; it tells how long the next turn may
// wait. What goes wrong is logged with the site's name.
func (t *siteTurns) take(ctx context.Context) (time.Duration, error) {
	leave, err := t.atOnce.take(ctx)
	if err != nil {
		return turnEvery, err
	}
	defer leave()
	wait, err := t.turn(ctx)
	if err == nil {
		return wait, nil
	}
	if ctx.Err() == nil {
		t.runner.cfg.Logger.Warn("not all of a site's schedules could go on", "site", t.site.Site.Name, "error", err)
	}
	return turnEvery, fmt.Errorf("error at a turn of site %s: %w", t.site.Site.Name, err)
}

func (t *siteTurns) turn(ctx context.Context) (time.Duration, error) {
	r, d := t.runner, t.runner.cfg.DB
	now, err := trip(ctx, r, r.cfg.Now)
	if err != nil {
		return 0, err
	}
	startErr := t.startDue(ctx, now)
	busy, err := trip(ctx, r, func(ctx context.Context) (bool, error) {
		return d.TendRuns(ctx, db.TendParams{
			SiteID: t.site.Site.ID, Now: now, ProcessID: r.process, Working: r.list(), Stale: jobs.DefaultTimes().Stale,
			Kind: SyncArgs{}.Kind(), JobQueue: Queue(t.site.Site.Name), Queue: r.insert,
		})
	})
	if err := errors.Join(startErr, err); err != nil {
		return 0, err
	}
	next, err := trip(ctx, r, func(ctx context.Context) (*time.Time, error) { return d.NextDue(ctx, t.site.Site.ID) })
	most := turnEvery
	if busy {
		most = turnBusy
	}
	if err != nil || next == nil {
		return most, err
	}
	return min(max(next.Sub(now), turnAtOnce), most), nil
}

// startDue starts the schedules that are due, each once: one that can't be started
// is left until the next turn.
func (t *siteTurns) startDue(ctx context.Context, now time.Time) (errs error) {
	var skip []int
	for {
		s, err := trip(ctx, t.runner, func(ctx context.Context) (db.Schedule, error) {
			return t.runner.cfg.DB.StartDue(ctx, db.StartDueParams{
				SiteID: t.site.Site.ID, Skip: skip, Now: now, Queue: t.runner.insert,
				Judge: func(s db.Schedule, due time.Time) (db.Occurrence, error) { return t.runner.judge(s, due, now) },
			})
		})
		if s.ID == 0 {
			return errors.Join(errs, err)
		}
		if err != nil {
			errs = errors.Join(errs, fmt.Errorf("error starting schedule %s: %w", s.Name, err))
		}
		skip = append(skip, s.ID)
	}
}

func (r *Runner) judge(s db.Schedule, due, now time.Time) (o db.Occurrence, err error) {
	times, err := ParseTimes(s.Cron, s.TimeZone)
	if err != nil { // a zone that this machine's binary does not know
		r.cfg.Logger.Error("the schedule can't go on; `relabel schedule edit` changes its times", "schedule", s.Name, "error", err)
		return db.Occurrence{Missed: 1, MissedFrom: due}, nil
	}
	if p := panics.Try(func() { o = judge(times, s.CatchUp, due, now) }); p != nil {
		return o, p.AsError()
	}
	return o, nil
}

// judge decides what becomes of a schedule that has been due since a moment: its
// last moment is run, if that is not too long ago, and all before it were missed.
func judge(times *Times, catchUp time.Duration, due, now time.Time) db.Occurrence {
	last, n := times.latest(due, now)
	next := times.Next(now)
	if times.every > 0 {
		next = last.Add(times.every)
	}
	o := db.Occurrence{MissedFrom: due, Missed: n}
	if !next.IsZero() {
		o.Next = &next
	}
	if now.Sub(last) <= max(catchUp, onTime) {
		o.Run, o.Missed = &last, n-1
	}
	return o
}
