package jobs

import (
	"time"

	"relabel/db"
	"relabel/internal/failpoint"
)

// Times are how long a process waits for itself and for others. All processes of
// a database have the same; tests shorten them, for what they prove does not
// depend on their length.
type Times struct {
	// LeaseMargin is what the lease and the grant allow beyond the call's own
	// deadline: the claim's way to the database and back, and the finish's. A
	// call never outlives its lease.
	LeaseMargin time.Duration

	// Heartbeat is how often a process says that it lives.
	Heartbeat time.Duration

	// Stale is how long after its last heartbeat a process counts as dead.
	Stale time.Duration

	// FeedEvery is how often a worker process looks for renames without a live
	// job, whatever else happens. It bounds how long a resumed batch or a
	// deleted job waits: with River's fetch within a second, to the 5 s promised.
	FeedEvery time.Duration

	// FeedSettle is added to a wait, so that River has completed the old job:
	// it groups completions every 50 ms.
	FeedSettle time.Duration
}

// DefaultTimes are those of every program but the tests'.
func DefaultTimes() Times {
	return Times{
		LeaseMargin: failpoint.Time("lease-margin", 15*time.Second),
		Heartbeat:   failpoint.Time("heartbeat", db.HeartbeatEvery),
		Stale:       failpoint.Time("stale", db.ProcessStale),
		FeedEvery:   failpoint.Time("feed", 4*time.Second),
		FeedSettle:  200 * time.Millisecond,
	}
}

// orDefault puts the default in the place of each time that is 0.
func (t Times) orDefault() Times {
	d := DefaultTimes()
	return Times{
		LeaseMargin: orDefault(t.LeaseMargin, d.LeaseMargin),
		Heartbeat:   orDefault(t.Heartbeat, d.Heartbeat),
		Stale:       orDefault(t.Stale, d.Stale),
		FeedEvery:   orDefault(t.FeedEvery, d.FeedEvery),
		FeedSettle:  orDefault(t.FeedSettle, d.FeedSettle),
	}
}
