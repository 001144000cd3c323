package jobs

import (
	"cmp"
	"time"

	"relabel/db"
	"relabel/internal/failpoint"
)

// Times are the waits and intervals of a pool. All processes of a database use the
// same; tests shorten them where the result does not depend on their length.
type Times struct {
	// LeaseMargin is how much longer than a call's deadline its lease and grant last:
	// time for the claim's and the finish's round trips. A call never outlives its lease.
	LeaseMargin time.Duration

	// Heartbeat is how often a process records that it is alive.
	Heartbeat time.Duration

	// Stale is how long after its last heartbeat a process counts as dead.
	Stale time.Duration

	// FeedEvery is how often a worker process looks for sites that have something to
	// feed, whatever else happens. It bounds how long a resumed batch or a deleted job
	// waits, within the 5 s promised: the feed's notification makes River fetch at once.
	FeedEvery time.Duration

	// FeedSettle is added to a wait, so that River has completed the old job:
	// it groups completions every 50 ms.
	FeedSettle time.Duration

	// QueueIdle is how long a process of many sites goes on working a site's queue that
	// has nothing to do.
	QueueIdle time.Duration
}

// DefaultTimes are the times of relabel itself.
func DefaultTimes() Times {
	return Times{
		LeaseMargin: failpoint.Time("lease-margin", 15*time.Second),
		Heartbeat:   failpoint.Time("heartbeat", db.HeartbeatEvery),
		Stale:       failpoint.Time("stale", db.ProcessStale),
		FeedEvery:   failpoint.Time("feed", 4*time.Second),
		FeedSettle:  200 * time.Millisecond,
		QueueIdle:   time.Minute,
	}
}

// orDefault replaces each time that is 0 by its default.
func (t Times) orDefault() Times {
	d := DefaultTimes()
	return Times{
		LeaseMargin: cmp.Or(t.LeaseMargin, d.LeaseMargin),
		Heartbeat:   cmp.Or(t.Heartbeat, d.Heartbeat),
		Stale:       cmp.Or(t.Stale, d.Stale),
		FeedEvery:   cmp.Or(t.FeedEvery, d.FeedEvery),
		FeedSettle:  cmp.Or(t.FeedSettle, d.FeedSettle),
		QueueIdle:   cmp.Or(t.QueueIdle, d.QueueIdle),
	}
}
