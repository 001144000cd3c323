package jobs

import (
	"context"
	"time"
)

// absenceCheck is how often a process that has left a site checks whether to come
// back: the site may have been resumed, or the other processes may be gone.
const absenceCheck = 4 * time.Second

// absence takes this process off a site's queue while its token is refused and
// other processes work the site with another token. If it went on fetching jobs that
// it may not send, the others would not get those jobs until the next feed.
type absence struct {
	*parker

	queues *queues
	begun  chan struct{} // one slot
}

// begin leaves the site to the other processes. Workers that wait at its gate return
// at once.
func (a *absence) begin() {
	a.gate.leave()
	select {
	case a.begun <- struct{}{}:
	default:
	}
}

// run leaves the site each time begin asks for it, until ctx ends.
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

// away returns when the token may be tried again. The queue is left when its jobs in this
// process have ended; only calls in flight take time.
func (a *absence) away(ctx context.Context) {
	a.log.Warn("the API refused this process's token; it leaves the site to processes with another token: restart it", "site", a.site.Name)
	for removed := false; !removed || a.refused(ctx); {
		removed = removed || a.queues.leave(ctx, a.site.Queue()) == nil
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
	if err := a.queues.comeBack(ctx, a.site.Queue()); err != nil {
		a.log.Error("the site's queue can't be worked again: restart this process", "site", a.site.Name, "error", err)
	}
}

// refused reports whether the token is still refused. If no other process works the
// site any more, it parks the site.
func (a *absence) refused(ctx context.Context) bool {
	if err := a.db.ParkSite(ctx, a.site.ID, a.fingerprint, ""); err != nil {
		return true
	}
	refused, err := a.db.TokenRefused(ctx, a.site.ID, a.fingerprint)
	return refused || err != nil
}
