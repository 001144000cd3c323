package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"relabel/db"
	"relabel/internal/failpoint"
	"relabel/internal/metrics"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
)

// RenameArgs is a hint: look at this rename. The truth is in our tables.
type RenameArgs struct {
	RenameID int64 `json:"rename_id"`
}

// Kind implements river.JobArgs.
func (RenameArgs) Kind() string { return "rename" }

// maxGrantWait bounds a job's wait for a grant, well within jobTimeout. After it the
// job ends, and the feed gives its rename a new one. Only a lane that stays blocked
// takes that long.
const maxGrantWait = 5 * time.Minute

// renameWorker does the four steps of a rename: grant, claim, call, finish. Then Work
// returns, and River completes the job in its own time. A crash in between runs the
// job again; it finds its rename final and does nothing.
type renameWorker struct {
	river.WorkerDefaults[RenameArgs]

	log         *slog.Logger
	processID   string
	callTimeout time.Duration
	leaseMargin time.Duration
	sites       *members
	watch       *failureWatch
	running     *jobsAtWork
	db          *db.DB
}

// lease is how long a claim keeps other workers away.
func (w *renameWorker) lease() time.Duration { return w.callTimeout + w.leaseMargin }

// Work implements river.Worker.
func (w *renameWorker) Work(ctx context.Context, job *river.Job[RenameArgs]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		err = cleanError(err)
	}()
	w.running.begin(job.Queue, job.ID)
	defer w.running.end(job.Queue, job.ID)
	failpoint.Hit("fetched")
	site := w.sites.of(job.Queue)
	if site == nil { // it was removed meanwhile: the feed of another process goes on
		return nil
	}
	grant, ok := w.grant(ctx, site)
	if !ok {
		return nil
	}
	failpoint.Hit("granted")
	if !site.places.enter(ctx) {
		site.lane.Release(grant)
		return nil
	}
	claim, deadline, err := w.claim(ctx, site, job.Args.RenameID)
	failpoint.Hit("claimed")
	if err != nil || claim.Verdict != db.Claimed {
		site.release(grant)
		site.unclaimed(claim)
		return err
	}
	if !site.gate.isOpen() || claim.SiteID != site.site.ID {
		site.release(grant)
		return giveBack(ctx, site, claim)
	}
	if grant.ID != 0 { // without a limit a grant protects nothing, and may be older than the wait for a place
		deadline = deadline.Sooner(grant.Deadline)
	}
	if deadline.Passed() {
		site.release(grant) // we slept: others may have the rename by now
		return nil
	}
	return w.send(ctx, site, grant, claim, deadline)
}

// release gives up the right to call and the place to do it, for others.
func (s *siteRun) release(g throttle.Grant) {
	s.places.leave()
	s.lane.Release(g)
}

// unclaimed handles the verdicts other than "claimed".
func (s *siteRun) unclaimed(c db.Claim) {
	switch c.Verdict {
	case db.Wait:
		s.feeder.wakeIn(c.Wait)
	case db.Refused:
		s.absence.begin()
	case db.Claimed, db.Final, db.Held:
	}
}

// grant waits for the right to make one call. If the wait ends early (a stop, a lane
// that stays blocked), the job ends too; its rename is still pending, and the feed
// gives it another job. Jobs are not snoozed: River would date them by this machine's
// clock.
func (w *renameWorker) grant(ctx context.Context, site *siteRun) (throttle.Grant, bool) {
	waitCtx, cancel := context.WithTimeout(ctx, maxGrantWait)
	defer cancel()
	defer context.AfterFunc(site.gone, cancel)()
	defer site.metrics.WaitForGrant()()
	for {
		if !site.gate.wait(waitCtx) {
			return throttle.Grant{}, false
		}
		g, err := site.lane.Acquire(waitCtx)
		if err != nil || site.gate.isOpen() {
			return g, err == nil
		}
		site.lane.Release(g) // the token was refused meanwhile
	}
}

// claim also returns until when the lease is ours for certain: it counts from before
// the database was asked.
func (w *renameWorker) claim(ctx context.Context, site *siteRun, id int64) (db.Claim, throttle.Deadline, error) {
	deadline := throttle.DeadlineIn(w.lease())
	t, err := site.turns.do(ctx, turn{claim: id})
	c := t.claim
	switch {
	case errors.Is(err, errBatcherStopped), errors.Is(err, context.Canceled):
		c.Verdict = db.Held // the feed brings it back
		return c, deadline, nil
	case err != nil:
		return c, deadline, fmt.Errorf("error claiming rename %d: %w", id, err)
	}
	return c, deadline, nil
}

// giveBack ends a claim without a call: the token was refused meanwhile, or somebody
// moved the job into another site's queue, whose token must not send it.
func giveBack(ctx context.Context, site *siteRun, c db.Claim) error {
	f := db.Finish{RenameID: c.RenameID, Fence: c.Fence, Status: db.RowPending}
	_, err := site.turns.do(context.WithoutCancel(ctx), turn{finish: f})
	if err != nil {
		return fmt.Errorf("error giving back rename %d: %w", c.RenameID, err)
	}
	return nil
}

// call sends a claimed rename, and leaves its place to the next call.
func (s *siteRun) call(ctx context.Context, c db.Claim, deadline throttle.Deadline) (webflow.UpdateAssetResult, error) {
	defer s.places.leave()
	ctx, cancel := deadline.Context(failpoint.Trace(ctx))
	defer cancel()
	return s.client.UpdateAsset(ctx, webflow.UpdateAssetParams{
		AssetID: c.AssetID, LocaleID: c.LocaleID, DisplayName: c.DisplayName, AltText: c.AltText,
	})
}

// send makes the call and records its outcome.
func (w *renameWorker) send(ctx context.Context, site *siteRun, g throttle.Grant, c db.Claim, deadline throttle.Deadline) error {
	result, callErr := site.call(ctx, c, deadline)
	answered := time.Now()
	failpoint.Hit("answered")
	meta := result.Meta
	if e := (*webflow.Error)(nil); errors.As(callErr, &e) {
		meta = e.Meta
	}
	o := decide(callErr, c.Failures, rand.Float64())
	site.metrics.Call(metrics.KindRename, string(o.Name), meta.Status, meta.Duration)
	if c.Probe {
		o = o.probed()
	}
	applySiteEffects(ctx, site, o, meta.SentAt)
	result.Asset.DisplayName = site.client.Redact(storable(result.Asset.DisplayName))
	f := finishOf(c, result.Asset, meta, callErr, o)
	f.GrantID = g.ID
	failpoint.Hit("finishing")
	if err := w.finish(ctx, site, &f, meta.SentAt, answered); err != nil {
		return err
	}
	ObserveLimit(site.lane, meta)
	w.afterFinish(ctx, site, c, f)
	return nil
}

// applySiteEffects blocks the lane or parks the site where the answer asks for it. It
// comes before the finish, so that the feed gives out no job in between.
func applySiteEffects(ctx context.Context, site *siteRun, o outcome, sent time.Time) {
	if o.Block > 0 {
		site.lane.Block(o.Block)
	}
	if o.Park != "" {
		site.parker.park(ctx, o.Park, sent)
	}
}

// finish does not stop when the job's context ends: the call was made, and its outcome
// must be recorded. It sets f.Status to the status that the rename really got.
func (w *renameWorker) finish(ctx context.Context, site *siteRun, f *db.Finish, sent, answered time.Time) error {
	now := time.Now()
	f.SentAgo, f.AnsweredAgo = now.Sub(sent).Seconds(), now.Sub(answered).Seconds()
	t, err := site.turns.do(context.WithoutCancel(ctx), turn{finish: *f})
	if err != nil {
		return fmt.Errorf("error recording the outcome of rename %d: %w", f.RenameID, err)
	}
	failpoint.Hit("finished")
	f.Status = t.status
	site.feeder.finished()
	return nil
}

// afterFinish does what an outcome makes necessary: it wakes the feed when the rename
// is due again or a probe found the API healthy, and pauses the batch when too many of
// its rows failed for one cause.
func (w *renameWorker) afterFinish(ctx context.Context, site *siteRun, c db.Claim, f db.Finish) {
	switch {
	case c.Probe && f.Health == db.Well:
		site.feeder.wakeIn(0)
	case c.Probe:
		site.feeder.wakeIn(db.ProbeEvery)
	case f.Status == db.RowPending && f.Outcome != db.OutcomeParked:
		site.feeder.wakeIn(time.Duration(f.Delay * float64(time.Second)))
	}
	reason := w.watch.ended(c.BatchID, c.AssetID, f)
	if reason == "" {
		return
	}
	// The reason is given once: the watch has forgotten the batch's rows.
	_, err := retryTransient(ctx, func(ctx context.Context) (bool, error) { return w.db.PauseBatch(ctx, c.BatchID, &reason) })
	if _, ended := errors.AsType[*db.BatchStateError](err); err != nil && !ended {
		w.log.Error("the batch could not be paused", "batch", c.BatchID, "error", err)
	}
}

// maxErrorText bounds the error text that River keeps.
const maxErrorText = 2 << 10

// cleanError makes an error's text safe for River's tables. River writes errors as
// jsonb (job_executor, completer): one NUL would make its batched completion fail for
// ever, for every job in the batch.
func cleanError(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(cut(storable(err.Error()), maxErrorText))
}
