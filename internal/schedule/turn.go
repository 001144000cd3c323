package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sourcegraph/conc/panics"
	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
	"relabel/jobs"
)

const (
	// turnEvery is how often a process looks whether a site needs a turn. It bounds how
	// late a run is started, ended or recovered.
	turnEvery = 5 * time.Second

	// turnBusy is how soon a turn notices that a run's batch has ended.
	turnBusy = time.Second

	// turnAtOnce is the shortest wait between turns. Without it, a process would spin
	// while another one starts the schedule that is due.
	turnAtOnce = 250 * time.Millisecond

	// sitesAtOnce is how many sites take a turn at the same time: less than half of
	// the process's connections.
	sitesAtOnce = 4

	// tidyAtOnce is how many sites are tidied up at the same time.
	tidyAtOnce = 2

	// dbTimeout bounds one call to the database, which takes milliseconds. After
	// that the connection is dead without an error, or a stopped process holds the
	// lock.
	dbTimeout = 10 * time.Second

	// onTime is how late a run may start and still count as on time.
	onTime = time.Minute
)

// siteTurns takes the turns of one site. Each site has its own loop, so that a
// problem with one site does not hold up the others.
type siteTurns struct {
	runner   *Runner
	site     jobs.SiteConfig
	wake     chan struct{} // one slot
	tidyWake chan struct{} // one slot
	atOnce   semaphore     // shared by all sites: turns
	tidies   semaphore     // shared by all sites: tidying up

	gone   context.Context //nolint:containedctx // ends with the runner, or when the site is removed
	remove context.CancelFunc
}

// semaphore bounds how many sites do something at the same time.
type semaphore chan struct{}

func (s semaphore) acquire(ctx context.Context) (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dbCall makes one bounded call to the database.
func dbCall[T any](ctx context.Context, r *Runner, do func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.dbTimeout)
	defer cancel()
	return do(ctx)
}

// takeAll takes a turn each time that a look or the end of a run asks for one, until
// ctx ends. A turn that has something to wait for is followed by another one.
func (t *siteTurns) takeAll(ctx context.Context) {
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-again:
		}
		again = nil
		if wait, _ := t.take(ctx); wait < turnEvery { // take has logged the error
			again = time.After(wait)
		}
	}
}

// wakeTurns starts the next turns at once, because a run has changed.
func (r *Runner) wakeTurns() {
	for _, t := range r.allTurns() {
		wake(t.wake)
	}
}

// Turn takes one turn for each site. It returns how long the next turn may wait.
func (r *Runner) Turn(ctx context.Context) (time.Duration, error) {
	waits := pool.NewWithResults[time.Duration]().WithErrors().WithCollectErrored()
	for _, t := range r.allTurns() {
		waits.Go(func() (time.Duration, error) { return t.take(ctx) })
	}
	all, err := waits.Wait()
	least := turnEvery
	for _, wait := range all {
		least = min(least, wait)
	}
	return least, err
}

// take takes a turn, logs its error with the site's name, and returns how long
// the next turn may wait.
func (t *siteTurns) take(ctx context.Context) (time.Duration, error) {
	release, err := t.atOnce.acquire(ctx)
	if err != nil {
		return turnEvery, err
	}
	defer release()
	wait, err := t.turn(ctx)
	if err == nil {
		return wait, nil
	}
	if ctx.Err() == nil {
		t.runner.cfg.Logger.Warn("some schedules of a site could not continue", "site", t.site.Site.Name, "error", err)
	}
	return turnEvery, fmt.Errorf("error at a turn of site %s: %w", t.site.Site.Name, err)
}

// turn starts the schedules that are due, then moves the open runs on.
func (t *siteTurns) turn(ctx context.Context) (time.Duration, error) {
	r, d := t.runner, t.runner.cfg.DB
	now, err := dbCall(ctx, r, r.cfg.Now)
	if err != nil {
		return 0, err
	}
	startErr := t.startDue(ctx, now)
	busy, err := dbCall(ctx, r, func(ctx context.Context) (bool, error) {
		return scheduledb.TendRuns(ctx, d, db.LostRunsParams{
			SiteID: t.site.Site.ID, Now: now, ProcessID: r.process, Working: r.workingRuns(), Stale: jobs.DefaultTimes().Stale,
			Kind: SyncArgs{}.Kind(), JobQueue: Queue(t.site.Site.Name),
		}, r.insert)
	})
	if err := errors.Join(startErr, err); err != nil {
		return 0, err
	}
	next, err := dbCall(ctx, r, func(ctx context.Context) (*time.Time, error) { return scheduledb.NextDue(ctx, d, t.site.Site.ID) })
	most := turnEvery
	if busy {
		most = turnBusy
	}
	if err != nil || next == nil {
		return most, err
	}
	return min(max(next.Sub(now), turnAtOnce), most), nil
}

// startDue starts each schedule that is due once. A schedule that fails to start
// waits for the next turn.
func (t *siteTurns) startDue(ctx context.Context, now time.Time) (errs error) {
	var skip []int
	for {
		s, err := dbCall(ctx, t.runner, func(ctx context.Context) (scheduledb.Schedule, error) {
			return scheduledb.StartDue(ctx, t.runner.cfg.DB, scheduledb.StartDueParams{
				SiteID: t.site.Site.ID, Skip: skip, Now: now, Queue: t.runner.insert,
				Judge: func(s scheduledb.Schedule, due time.Time) (scheduledb.Occurrence, error) {
					return t.runner.occurrence(s, due, now)
				},
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

func (r *Runner) occurrence(s scheduledb.Schedule, due, now time.Time) (o scheduledb.Occurrence, err error) {
	times, err := ParseTimes(s.Cron, s.TimeZone)
	if err != nil { // the time zone is unknown on this machine
		r.cfg.Logger.Error("the times of a schedule can't be read; `relabel schedule edit` changes them", "schedule", s.Name, "error", err)
		return scheduledb.Occurrence{Missed: 1, MissedFrom: due}, nil
	}
	if p := panics.Try(func() { o = occurrence(times, s.CatchUp, due, now) }); p != nil {
		return o, p.AsError()
	}
	return o, nil
}

// occurrence decides what to do about a schedule that has been due since a
// moment. Its last moment runs if it is not too late; all earlier ones are missed.
func occurrence(times *Times, catchUp time.Duration, due, now time.Time) scheduledb.Occurrence {
	last, n := times.latest(due, now)
	next := times.Next(now)
	if times.every > 0 {
		next = last.Add(times.every)
	}
	o := scheduledb.Occurrence{MissedFrom: due, Missed: n}
	if !next.IsZero() {
		o.Next = &next
	}
	if now.Sub(last) <= max(catchUp, onTime) {
		o.Run, o.Missed = &last, n-1
	}
	return o
}
