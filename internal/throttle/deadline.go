package throttle

import (
	"context"
	"time"
)

// Deadline is the end of a grant or a lease. It holds a time of both clocks of the
// machine, because neither is enough: the monotonic clock stops while a laptop
// sleeps, and the wall clock may be set back. The deadline has passed when it has
// passed on either clock.
type Deadline struct {
	mono time.Time // has a monotonic reading, which comparisons use
	wall time.Time // has none
}

// DeadlineIn returns the deadline d from now. Call it before the request for the
// grant or the lease, so that it ends here before it ends in the database.
func DeadlineIn(d time.Duration) Deadline {
	at := time.Now().Add(d)
	return Deadline{mono: at, wall: at.Round(0)}
}

// Passed reports whether the deadline has passed.
func (d Deadline) Passed() bool {
	now := time.Now()
	return !now.Before(d.mono) || !now.Round(0).Before(d.wall)
}

// Sooner returns a deadline that passes as soon as either of the two does.
func (d Deadline) Sooner(other Deadline) Deadline {
	if other.mono.Before(d.mono) {
		d.mono = other.mono
	}
	if other.wall.Before(d.wall) {
		d.wall = other.wall
	}
	return d
}

// Context returns a context for the HTTP call, which ends at the deadline.
//
// Its timer stops while the machine sleeps or the process is stopped, and fires some
// time after the wake-up. So its Err checks both clocks, and package webflow calls Err
// when a call has its connection and just before each write.
func (d Deadline) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithDeadline(ctx, d.mono)
	return checkedContext{ctx, d, cancel}, cancel
}

// checkedContext also ends when its Err finds that the deadline has passed.
type checkedContext struct {
	context.Context

	deadline Deadline
	cancel   context.CancelFunc
}

// Err checks both clocks. It cancels the context first, so that Done agrees with it.
func (c checkedContext) Err() error {
	if c.deadline.Passed() {
		c.cancel()
	}
	return c.Context.Err()
}
