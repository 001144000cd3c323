package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/riverqueue/river"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// SyncArgs is a hint: look at this run. The truth is in our tables.
type SyncArgs struct {
	RunID int64 `json:"run_id"`
}

// Kind implements river.JobArgs.
func (SyncArgs) Kind() string { return "locale_sync" }

// syncWorker does the steps of a run that are not done yet. It returns no error:
// what became of the run stands in its row, and a run that is still open gets
// another job from the next turn.
type syncWorker struct {
	river.WorkerDefaults[SyncArgs]

	runner *Runner
}

// Timeout implements river.Worker: a reading takes as long as the limit makes it.
func (*syncWorker) Timeout(*river.Job[SyncArgs]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *syncWorker) Work(ctx context.Context, job *river.Job[SyncArgs]) error {
	if w.runner == nil {
		return errors.New("this process works no schedules")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.runner.stopping, cancel)()
	w.runner.work(ctx, job.Args.RunID)
	return nil
}

// work claims a run and does its steps.
func (r *Runner) work(ctx context.Context, id int64) {
	if !r.begin(id) {
		return
	}
	defer r.soon()
	defer r.end(id)
	now, err := trip(ctx, r, r.cfg.Now)
	if err != nil {
		return // the next turn comes back to it
	}
	w, s, ok, err := r.claim(ctx, id, now)
	if err != nil || !ok {
		return
	}
	site, ok := r.sites[s.SiteID]
	if !ok { // somebody has put the job into another site's queue
		r.logged(id, r.cfg.DB.ReleaseRun(ctx, w))
		return
	}
	one := &run{Runner: r, RunWork: w, schedule: s, site: site}
	err = one.try(ctx)
	if err != nil {
		r.logged(id, one.explain(context.WithoutCancel(ctx), ctx.Err() != nil, now, err))
	}
}

func (r *Runner) claim(ctx context.Context, id int64, now time.Time) (db.RunWork, db.Schedule, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, r.cfg.tripTime)
	defer cancel()
	return r.cfg.DB.ClaimRun(ctx, db.ClaimRunParams{RunID: id, ProcessID: r.process, Now: now, Lanes: r.tokens(), Stale: jobs.DefaultTimes().Stale})
}

// try does the steps; a panic is an error like others.
func (n *run) try(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return n.steps(ctx)
}

func (r *Runner) logged(run int64, err error) {
	if err != nil && !errors.Is(err, db.ErrRunLost) {
		r.cfg.Logger.Warn("what became of a run is not recorded; the next turn comes back to it", "run", run, "error", err)
	}
}

const (
	// maxFailures of reading end a run: the last try comes half an hour after the
	// first.
	maxFailures = 6

	// recordTime is for writing down what became of a run when all else stops.
	recordTime = 10 * time.Second
)

// retryAfter is how long a run waits after its n-th failure, from 0.
func retryAfter(n int) time.Duration { return time.Minute << min(n, 4) }

// fate is what becomes of a run that did not get to its end.
type fate string

const (
	forget   fate = "forget"  // it is somebody else's
	release  fate = "release" // it goes on elsewhere, at once
	parkSite fate = "park"    // it goes on when a person has done something
	retry    fate = "retry"   // it goes on later
	fail     fate = "fail"
)

func fateOf(err error, stopped bool, failures int) fate {
	kind := webflow.Kind(0)
	if e := (*webflow.Error)(nil); errors.As(err, &e) {
		kind = e.Kind
	}
	switch {
	case errors.Is(err, db.ErrRunLost):
		return forget
	case stopped:
		return release
	case kind == webflow.KindUnauthorized:
		return parkSite
	case (mayPass(kind) || db.Transient(err)) && failures+1 < maxFailures:
		return retry
	}
	return fail
}

// explain records what becomes of a run that did not get to its end, and why.
func (n *run) explain(ctx context.Context, stopped bool, now time.Time, err error) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	switch fateOf(err, stopped, n.Failures) {
	case forget:
		return nil
	case release:
		return n.cfg.DB.ReleaseRun(ctx, n.RunWork)
	case parkSite:
		return n.park(ctx, err)
	case retry:
		return n.cfg.DB.RetryRun(ctx, n.RunWork, now.Add(retryAfter(n.Failures)), told(err))
	}
	return n.cfg.DB.FailRun(ctx, n.RunWork, told(err))
}

// park does as a refused rename does; the run goes on when the site does.
func (n *run) park(ctx context.Context, err error) error {
	reason := told(err) + "; mend the token, then `relabel site resume" + report.SiteFlag(n.site.Site.Name) + "`"
	refusal := db.Refusal{SiteID: n.site.Site.ID, Lane: n.site.Lane.Fingerprint, Reason: reason}
	if e := (*webflow.Error)(nil); errors.As(err, &e) {
		refusal.Ago = time.Since(e.Meta.SentAt)
	}
	if err := n.cfg.DB.Park(ctx, refusal); err != nil {
		return err
	}
	return n.cfg.DB.ReleaseRun(ctx, n.RunWork)
}

// mayPass tells of what may be gone at the next try.
func mayPass(k webflow.Kind) bool {
	switch k {
	case webflow.KindNotSent, webflow.KindUnknown, webflow.KindUnavailable, webflow.KindRateLimited, webflow.KindBadAnswer:
		return true
	}
	return false
}

// maxTold bounds a reason.
const maxTold = 1000

func told(err error) string { return Told(err.Error()) }

// Told is a text as it is stored and posted: one line, clean, not endless.
func Told(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r): // controls, and what turns the direction of text
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxTold {
		text = strings.ToValidUTF8(text[:maxTold], "") + "…"
	}
	return text
}
