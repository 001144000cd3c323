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
	"relabel/internal/throttle"
	"relabel/internal/webflow"
)

// RenameArgs is a hint: look at this rename. The truth is in our tables.
type RenameArgs struct {
	RenameID int64 `json:"rename_id"`
}

// Kind implements river.JobArgs.
func (RenameArgs) Kind() string { return "rename" }

// maxGrantWait bounds the wait in place for a grant, well within JobTimeout;
// then the job ends and the feed gives a new one. It is reached only while
// the lane is stopped for longer.
const maxGrantWait = 5 * time.Minute

// renameWorker does the four steps: grant, claim, call, finish. Then Work
// returns and River completes the job in its own time: a crash in between runs
// the job again, which finds its rename final and does nothing.
type renameWorker struct {
	river.WorkerDefaults[RenameArgs]

	log         *slog.Logger
	processID   string
	callTimeout time.Duration
	leaseMargin time.Duration
	sites       map[string]*siteRun // by River queue
	watch       *failureWatch
	running     *jobsAtWork
	db          *db.DB
}

// lease is how long a claim keeps others away.
func (w *renameWorker) lease() time.Duration { return w.callTimeout + w.leaseMargin }

// Work implements river.Worker.
func (w *renameWorker) Work(ctx context.Context, job *river.Job[RenameArgs]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		err = cleanError(err)
	}()
	w.running.begin(job.ID)
	defer w.running.end(job.ID)
	failpoint.Hit("fetched")
	site := w.sites[job.Queue]
	grant, ok := w.grant(ctx, site)
	if !ok {
		return nil
	}
	failpoint.Hit("granted")
	claim, deadline, err := w.claim(ctx, site, job.Args.RenameID)
	failpoint.Hit("claimed")
	if err != nil || claim.Verdict != db.Claimed {
		site.lane.Release(grant)
		site.unclaimed(claim)
		return err
	}
	if !site.gate.isOpen() || claim.SiteID != site.site.ID {
		site.lane.Release(grant)
		return giveBack(ctx, site, claim)
	}
	if deadline = deadline.Sooner(grant.Deadline); deadline.Passed() {
		site.lane.Release(grant) // we slept: others may have the rename by now
		return nil
	}
	return w.send(ctx, site, grant, claim, deadline)
}

// unclaimed sees to what an answer other than "claimed" makes necessary.
func (s *siteRun) unclaimed(c db.Claim) {
	switch c.Verdict {
	case db.Wait:
		s.feeder.wakeIn(c.Wait)
	case db.Refused:
		s.absence.begin()
	case db.Claimed, db.Final, db.Held:
	}
}

// grant waits for the right to make one call. Whatever ends the wait early (a
// stop, a lane that stays closed) ends the job too: its rename is still pending,
// and the feed gives it another job. No job is snoozed: River would stamp it
// with this machine's clock.
func (w *renameWorker) grant(ctx context.Context, site *siteRun) (throttle.Grant, bool) {
	waitCtx, cancel := context.WithTimeout(ctx, maxGrantWait)
	defer cancel()
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

// claim returns until when the lease is ours for certain: by our clock from
// before the database was asked.
func (w *renameWorker) claim(ctx context.Context, site *siteRun, id int64) (db.Claim, throttle.Deadline, error) {
	deadline := throttle.DeadlineIn(w.lease())
	c, err := site.claims.do(ctx, id)
	switch {
	case errors.Is(err, errBatcherStopped), errors.Is(err, context.Canceled):
		c.Verdict = db.Held // the feed brings it back
		return c, deadline, nil
	case err != nil:
		return c, deadline, fmt.Errorf("error claiming rename %d: %w", id, err)
	}
	return c, deadline, nil
}

// giveBack ends a claim without a call. Its job was in another site's queue,
// where somebody has put it, and the rename must not go out with that site's token;
// or the token was refused meanwhile.
func giveBack(ctx context.Context, site *siteRun, c db.Claim) error {
	_, err := site.finishes.do(context.WithoutCancel(ctx), db.Finish{RenameID: c.RenameID, Fence: c.Fence, Status: statusPending})
	if err != nil {
		return fmt.Errorf("error giving back rename %d: %w", c.RenameID, err)
	}
	return nil
}

// send makes the call and records what came of it.
func (w *renameWorker) send(ctx context.Context, site *siteRun, g throttle.Grant, c db.Claim, deadline throttle.Deadline) error {
	callCtx, cancel := deadline.Context(failpoint.Trace(ctx))
	result, callErr := site.client.UpdateAsset(callCtx, webflow.UpdateAssetParams{
		AssetID: c.AssetID, LocaleID: c.LocaleID, DisplayName: c.DisplayName, AltText: c.AltText,
	})
	cancel()
	answered := time.Now()
	failpoint.Hit("answered")
	meta := result.Meta
	if e := (*webflow.Error)(nil); errors.As(callErr, &e) {
		meta = e.Meta
	}
	o := decide(callErr, c.Failures, rand.Float64())
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
	observeLimit(site.lane, meta)
	w.afterFinish(ctx, site, c, f)
	return nil
}

// applySiteEffects passes on what the answer means for all others: before the finish, so
// that no job is fed in between.
func applySiteEffects(ctx context.Context, site *siteRun, o outcome, sent time.Time) {
	if o.Block > 0 {
		site.lane.Block(o.Block)
	}
	if o.Park != "" {
		site.parker.park(ctx, o.Park, sent)
	}
}

// finish does not give up when the job's context ends: the call was made, and
// its outcome must be told. f.Status becomes what the rename has really got.
func (w *renameWorker) finish(ctx context.Context, site *siteRun, f *db.Finish, sent, answered time.Time) error {
	now := time.Now()
	f.SentAgo, f.AnsweredAgo = now.Sub(sent).Seconds(), now.Sub(answered).Seconds()
	status, err := site.finishes.do(context.WithoutCancel(ctx), *f)
	if err != nil {
		return fmt.Errorf("error recording the outcome of rename %d: %w", f.RenameID, err)
	}
	failpoint.Hit("finished")
	f.Status = status
	site.feeder.finished()
	return nil
}

// afterFinish sees to what an outcome makes necessary: a job when the rename is due
// again, more jobs when a probe found the API well, a pause when the batch
// fails for one cause.
func (w *renameWorker) afterFinish(ctx context.Context, site *siteRun, c db.Claim, f db.Finish) {
	switch {
	case c.Probe && f.Health == db.Well:
		site.feeder.wakeIn(0)
	case c.Probe:
		site.feeder.wakeIn(db.ProbeEvery)
	case f.Status == statusPending && f.Outcome != outcomeParked:
		site.feeder.wakeIn(time.Duration(f.Delay * float64(time.Second)))
	}
	reason := w.watch.ended(c.BatchID, c.AssetID, f)
	if reason == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if _, err := w.db.SetBatchStatus(ctx, c.BatchID, "paused", &reason); err != nil {
		w.log.Error("the batch could not be paused", "batch", c.BatchID, "error", err)
	}
}

// maxErrorText bounds what River keeps of an error.
const maxErrorText = 2 << 10

// cleanError makes an error's text fit for River's tables: one NUL would make
// its grouped completion fail for ever, for every job in the group (River's
// job_executor and completer write errors as jsonb).
func cleanError(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(cut(storable(err.Error()), maxErrorText))
}
