package schedule

import (
	"context"
	"errors"
	"time"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/webflow"
)

const (
	// maxFailures ends a run that cannot read its site. The last try comes half an
	// hour after the first.
	maxFailures = 6

	// recordTimeout bounds the recording of a failure while the process stops.
	recordTimeout = 10 * time.Second
)

// retryAfter is the wait after a run's n-th failure, counted from 0.
func retryAfter(n int) time.Duration { return time.Minute << min(n, 4) }

// failureAction is what happens to a run whose steps ended with an error.
type failureAction string

const (
	leaveRun   failureAction = "leave"   // another process has it
	releaseRun failureAction = "release" // another process continues it at once
	parkSite   failureAction = "park"    // it continues after a person has resumed the site
	retryRun   failureAction = "retry"   // it continues later
	failRun    failureAction = "fail"
)

func actionAfter(err error, stopped bool, failures int) failureAction {
	kind := webflow.Kind(0)
	if e := (*webflow.Error)(nil); errors.As(err, &e) {
		kind = e.Kind
	}
	switch {
	case errors.Is(err, scheduledb.ErrRunLost):
		return leaveRun
	case stopped:
		return releaseRun
	case kind == webflow.KindUnauthorized:
		return parkSite
	case (temporary(kind) || pg.Transient(err)) && failures+1 < maxFailures:
		return retryRun
	}
	return failRun
}

// temporary reports whether the next try may succeed.
func temporary(k webflow.Kind) bool {
	switch k {
	case webflow.KindNotSent, webflow.KindUnknown, webflow.KindUnavailable, webflow.KindRateLimited, webflow.KindBadAnswer:
		return true
	}
	return false
}

// recordFailure records why a run's steps ended with an error, and what happens next.
func (n *run) recordFailure(ctx context.Context, stopped bool, now time.Time, err error) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	reason := text.CleanLine(err.Error() + advice(err))
	switch actionAfter(err, stopped, n.Failures) {
	case leaveRun:
		return nil
	case releaseRun:
		return scheduledb.ReleaseRun(ctx, n.cfg.DB, n.RunWork)
	case parkSite:
		return n.park(ctx, err, reason)
	case retryRun:
		return scheduledb.RetryRun(ctx, n.cfg.DB, n.RunWork, now.Add(retryAfter(n.Failures)), reason)
	}
	return scheduledb.FailRun(ctx, n.cfg.DB, n.RunWork, reason)
}

// park parks the site, as a rename with a refused token does. The run continues
// when the site is resumed.
func (n *run) park(ctx context.Context, err error, reason string) error {
	reason += "; replace the token"
	refusal := db.Refusal{SiteID: n.site.Site.ID, Lane: n.site.Lane.Fingerprint, Reason: reason}
	if e := (*webflow.Error)(nil); errors.As(err, &e) {
		refusal.Ago = time.Since(e.Meta.SentAt)
	}
	if err := n.cfg.DB.Park(ctx, refusal); err != nil {
		return err
	}
	return scheduledb.ReleaseRun(ctx, n.cfg.DB, n.RunWork)
}
