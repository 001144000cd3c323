package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"
)

// absenceCheck is how often a process that has left a site looks whether to come
// back: somebody may have resumed the site, or the others are gone.
const absenceCheck = 4 * time.Second

// absence takes this process from a site's queue while its token is refused and
// others go on with another one. If it went on fetching jobs, only to find that it
// may not send, those would be lost to the others until the next feed.
type absence struct {
	*parker

	queues  *river.QueueBundle
	workers int
	begun   chan struct{} // one slot
}

// begin leaves the site to others; those that wait for its gate end at once.
func (a *absence) begin() {
	a.gate.leave()
	select {
	case a.begun <- struct{}{}:
	default:
	}
}

// run takes the process away as often as it is asked for, until ctx ends.
func (a *absence) run(ctx context.Context) {
	ctx, cancel := a.gate.until(ctx)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.begun:
			a.away(ctx)
		}
	}
}

// away returns when the token may be tried again. Remove waits for the queue's jobs
// here, of which only calls in flight take their time.
func (a *absence) away(ctx context.Context) {
	a.log.Warn("this process has a token that was refused, and leaves the site to those with another one: restart it", "site", a.site.Name)
	for removed := false; !removed || a.refused(ctx); {
		removed = removed || a.queues.Remove(ctx, a.site.Queue()) == nil
		select {
		case <-ctx.Done():
			return
		case <-time.After(absenceCheck):
		}
	}
	select {
	case <-a.begun: // another worker had the same answer
	default:
	}
	a.gate.comeBack()
	if err := a.queues.Add(a.site.Queue(), river.QueueConfig{MaxWorkers: a.workers}); err != nil {
		a.log.Error("the site's queue can't be worked again: restart this process", "site", a.site.Name, "error", err)
	}
}

// refused tells whether the token is still held. Where nobody else works the site any
// more the site is parked, for all to see.
func (a *absence) refused(ctx context.Context) bool {
	if err := a.db.ParkSite(ctx, a.site.ID, a.fingerprint, ""); err != nil {
		return true
	}
	refused, err := a.db.TokenRefused(ctx, a.site.ID, a.fingerprint)
	return refused || err != nil
}
