package throttle

import (
	"context"
	"net/http/httptrace"
	"time"
)

// Deadline is when a right ends: that of a grant, or of a lease. It remembers
// both clocks of the machine, because neither will do alone: the monotonic one
// stands still while a laptop sleeps, and the wall clock may be set back. The
// right has ended when either says so.
type Deadline struct {
	mono time.Time // with a monotonic reading, which is what it is compared by
	wall time.Time // without one
}

// DeadlineIn is d from now. Read it before the database is asked for the
// right, so that it ends here before it ends there.
func DeadlineIn(d time.Duration) Deadline {
	at := time.Now().Add(d)
	return Deadline{mono: at, wall: at.Round(0)}
}

// Passed tells whether the right has ended.
func (d Deadline) Passed() bool {
	now := time.Now()
	return !now.Before(d.mono) || !now.Round(0).Before(d.wall)
}

// Sooner is the end of two rights held together.
func (d Deadline) Sooner(other Deadline) Deadline {
	if other.mono.Before(d.mono) {
		d.mono = other.mono
	}
	if other.wall.Before(d.wall) {
		d.wall = other.wall
	}
	return d
}

// Context is for the HTTP call made with the right: it ends at the deadline.
//
// Its timer stands still while the machine sleeps, and fires some time after it,
// or after a stopped process, has woken. So whoever is about to write asks for its
// Err, which looks at both clocks: webflow's connections do, as the last thing before
// each write. With any other transport the deadline is looked at when the connection is
// in hand; closing it keeps a byte from being written, for the cancelled context
// alone may be noticed later.
func (d Deadline) Context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithDeadline(ctx, d.mono)
	ctx = lookingContext{ctx, d, cancel}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if ctx.Err() != nil {
				_ = info.Conn.Close()
			}
		},
	}), cancel
}

// lookingContext ends by its deadline's word when that is asked for first.
type lookingContext struct {
	context.Context

	deadline Deadline
	cancel   context.CancelFunc
}

// Err looks at both clocks. What it says holds for Done too, as it must.
func (c lookingContext) Err() error {
	if c.deadline.Passed() {
		c.cancel()
	}
	return c.Context.Err()
}
