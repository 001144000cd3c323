// Package throttle owns the right to call: one Lane a token and process hands
// out grants so that all processes together never exceed the token's limit in
// any window of its length, and waste none of it.
//
// The log of grants is in PostgreSQL (package db); here is the process's side:
// one dispatcher a lane asks for all local waiters together, sleeps until the
// next grant can be had, and takes in what answers said of the limit. Waiting
// holds no database connection. No database, no grants.
//
// A call is made so: Acquire; look at the grant's Deadline and make the call
// under its Context, or Release; on 429 Block at once; settle the grant
// (db.Finish, db.SettleGrant) with how long ago the answer arrived; Observe.
package throttle

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"relabel/db"
)

// maxLimit is the highest limit believed from a header: what an API that
// counts by the minute could mean.
const maxLimit = 100_000

// ErrStopping answers waiters when the lane stops: the process shuts down.
var ErrStopping = errors.New("no more calls: stopping")

// Log is where grants are kept: the database, or a model of it in tests.
type Log interface {
	Grant(ctx context.Context, p db.GrantParams) (db.Grants, error)
	ReleaseGrants(ctx context.Context, ids []int64) error
	Observe(ctx context.Context, lane string, seen []db.Observation) error
	BlockLane(ctx context.Context, lane string, d time.Duration) error
}

// Config of a Lane.
type Config struct {
	Log       Log
	Lane      string // the token's fingerprint
	ProcessID string
	Hold      time.Duration // the longest that a call takes, from grant to answer
	Logger    *slog.Logger
}

// Grant is the right to make one call before its Deadline. Each must end: its
// ID settled with the call's outcome (db.Finish), or Released.
type Grant struct {
	ID       int64 // 0: the lane has no limit, there is nothing to settle
	Deadline Deadline
}

// Headers is what an answer said of the limit.
type Headers struct {
	Limit     int
	Remaining int
	SentAt    time.Time
	Refused   bool // the answer was 429
}

// Lane hands out one token's grants to this process's workers.
type Lane struct {
	cfg  Config
	wake chan struct{} // one slot: something changed
	done chan struct{} // closed when stopping

	mu       sync.Mutex
	waiters  []chan Grant // first come, first served
	spare    []Grant      // nobody had a use for them; the dispatcher gives them back
	seen     []Headers    // not told to the log yet
	untold   time.Time    // end of a 429's Retry-After, not told to the log yet
	blocked  time.Time    // until when the lane is blocked, as last heard
	openTill time.Time    // without a limit: grants are free until then
	stopped  bool

	returning []int64 // being given back: the dispatcher's alone, never to be used again
}

// New makes a lane; Run makes it work.
func New(cfg Config) *Lane {
	return &Lane{cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Acquire waits in place for a grant: until there is one, ctx ends, or the lane
// stops (ErrStopping). It holds no database connection.
func (l *Lane) Acquire(ctx context.Context) (Grant, error) {
	turn := make(chan Grant, 1)
	if g, ok, err := l.enter(turn); ok || err != nil {
		return g, err
	}
	l.signal()
	select {
	case g := <-turn:
		return g, nil
	case <-ctx.Done():
		l.leave(turn)
		return Grant{}, ctx.Err()
	case <-l.done:
		l.leave(turn)
		return Grant{}, ErrStopping
	}
}

// enter takes a grant at once where that is possible, or queues.
func (l *Lane) enter(turn chan Grant) (g Grant, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return Grant{}, false, ErrStopping
	}
	l.waiters = append(l.waiters, turn)
	if len(l.waiters) > 1 {
		return Grant{}, false, nil
	}
	if time.Now().Before(l.openTill) {
		l.pass(Grant{Deadline: DeadlineIn(l.cfg.Hold)})
	} else {
		l.spare = slices.DeleteFunc(l.spare, l.pass)
	}
	select {
	case g := <-turn:
		return g, true, nil
	default:
		return Grant{}, false, nil
	}
}

// leave gives back what came too late.
func (l *Lane) leave(turn chan Grant) {
	l.mu.Lock()
	l.waiters = slices.DeleteFunc(l.waiters, func(w chan Grant) bool { return w == turn })
	l.mu.Unlock()
	select {
	case g := <-turn:
		l.Release(g)
	default:
	}
}

// Release gives back a grant whose call was not made. A waiter has it at once.
func (l *Lane) Release(g Grant) {
	if g.ID == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.pass(g) {
		l.spare = append(l.spare, g)
		l.signal()
	}
}

// pass gives a grant that may be used to whoever waits longest. It never
// blocks: a turn has room for its one grant.
func (l *Lane) pass(g Grant) bool {
	if len(l.waiters) == 0 || g.Deadline.Passed() || time.Now().Before(l.blocked) {
		return false
	}
	l.waiters[0] <- g
	l.waiters = l.waiters[1:]
	return true
}

// Observe takes in an answer's X-RateLimit headers. Call it after the call's
// grant was settled, for it makes the dispatcher look whether there is room.
// Values that make no sense are ignored: they come from outside.
func (l *Lane) Observe(h Headers) {
	if h.Limit < 1 || h.Limit > maxLimit || h.Remaining < 0 || h.Remaining > h.Limit {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.openTill.IsZero() { // without a limit there is nothing to learn
		l.seen = append(l.seen, h)
		l.signal()
	}
}

// Block stops the lane for d, in every process: the API answered 429. Here it
// takes effect at once.
func (l *Lane) Block(d time.Duration) {
	until := time.Now().Add(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.untold) {
		l.untold = until
	}
	if until.After(l.blocked) {
		l.blocked = until
	}
	l.openTill = time.Time{}
	l.signal()
}

// Stop ends all waiting with ErrStopping; calls in flight are not touched.
func (l *Lane) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.stopped = true
		l.waiters = nil // a grant that comes now is for nobody
		close(l.done)
	}
}

// BlockedUntil tells until when a Retry-After stops the lane; the zero time
// when it doesn't.
func (l *Lane) BlockedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocked
}

func (l *Lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
