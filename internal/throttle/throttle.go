// Package throttle keeps all processes together within the API's rate limit.
//
// Webflow counts calls per token. So each process has one Lane per token, and a
// worker needs a Grant from it for every call. Over all processes, no window of
// the limit's length ever has more calls than the limit, and no call of the limit
// is wasted while workers wait.
//
// Grants are logged in PostgreSQL (package db), which all processes share. In each
// process one dispatcher per lane (Lane.Run) requests grants for all waiting
// workers together, sleeps until the next grant is possible, and reports what the
// API's answers said about the limit. A waiting worker holds no database
// connection. Without a database there are no grants.
//
// To make a call:
//
//  1. Acquire a grant.
//  2. Call under the Context of the grant's Deadline, or Release the grant.
//  3. If the answer is 429, Block the lane at once.
//  4. Settle the grant (db.Finish, db.SettleGrant) with the age of the answer.
//  5. Observe the answer's headers.
//
// # Why no window is ever broken
//
// A lane's limit is N calls a window. A grant is given only while fewer than N grants
// count. It counts until one window after its call's answer arrived; while the call
// is in flight, until one window after the latest moment at which it could be answered.
//
// Take all calls that Webflow counts in one of its windows, in whatever phase. Each
// was counted between its grant and its answer. Look at the moment when the last of
// their grants was given. Every other of these calls was counted at the window's
// start or later, so its answer came later still, so its grant still counted.
// Together with the last one they were at most N.
//
// Counting from the sending would not do: of two calls sent a window apart, the first
// may be slow and the second quick, and Webflow would see them closer together.
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

// maxLimit is the highest limit in a header that is believed. No API that counts
// by the minute allows more.
const maxLimit = 100_000

// ErrStopping is returned to waiting workers when the process shuts down.
var ErrStopping = errors.New("no more calls: stopping")

// Log stores grants: the database, or a model of it in tests.
type Log interface {
	Grant(ctx context.Context, p db.GrantParams) (db.Grants, error)
	ReleaseGrants(ctx context.Context, ids []int64) error
	Observe(ctx context.Context, lane string, seen []db.Observation) error
	BlockLane(ctx context.Context, lane string, d time.Duration) error
}

// Config configures a Lane.
type Config struct {
	Log       Log
	Lane      string // the token's fingerprint
	ProcessID string
	Hold      time.Duration // the longest time from a grant to its call's answer
	Logger    *slog.Logger
}

// Grant is the right to make one call before its Deadline. Every grant must end:
// either its ID is settled with the call's outcome (db.Finish), or it is Released.
type Grant struct {
	ID       int64 // 0: the lane has no limit, so nothing must be settled
	Deadline Deadline
}

// Headers is what an answer said about the limit.
type Headers struct {
	Limit     int
	Remaining int
	SentAt    time.Time
	Refused   bool // the answer was 429
}

// Lane distributes one token's grants to this process's workers.
type Lane struct {
	cfg  Config
	wake chan struct{} // one slot: something changed
	done chan struct{} // closed when stopping

	mu           sync.Mutex
	waiters      []chan Grant // first come, first served
	unused       []Grant      // nobody needs them; the dispatcher returns them to the log
	headers      []Headers    // not reported to the log yet
	pendingBlock time.Time    // end of a 429's Retry-After, not reported to the log yet
	blockedUntil time.Time    // end of the block, as last known
	openUntil    time.Time    // the lane has no limit: grants are free until then
	stopped      bool

	// Only the dispatcher uses these.
	returning []int64   // being returned to the log
	fullUntil time.Time // the log had no more grants; asking earlier is of no use
	limit     int       // as the log last gave it
}

// New makes a Lane. It gives no grants until Run is called.
func New(cfg Config) *Lane {
	return &Lane{cfg: cfg, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// Acquire waits until there is a grant, ctx ends, or the lane stops (ErrStopping).
// It holds no database connection.
func (l *Lane) Acquire(ctx context.Context) (Grant, error) {
	turn := make(chan Grant, 1)
	if g, ok, err := l.enqueue(turn); ok || err != nil {
		return g, err
	}
	l.signal()
	select {
	case g := <-turn:
		return g, nil
	case <-ctx.Done():
		l.dequeue(turn)
		return Grant{}, ctx.Err()
	case <-l.done:
		l.dequeue(turn)
		return Grant{}, ErrStopping
	}
}

// enqueue adds a waiter, and returns a grant if one is free and nobody else waits.
func (l *Lane) enqueue(turn chan Grant) (g Grant, ok bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped {
		return Grant{}, false, ErrStopping
	}
	l.waiters = append(l.waiters, turn)
	if len(l.waiters) > 1 {
		return Grant{}, false, nil
	}
	if time.Now().Before(l.openUntil) {
		l.offer(Grant{Deadline: DeadlineIn(l.cfg.Hold)})
	} else {
		l.unused = slices.DeleteFunc(l.unused, l.offer)
	}
	select {
	case g := <-turn:
		return g, true, nil
	default:
		return Grant{}, false, nil
	}
}

// dequeue removes a waiter, and releases a grant that reached it too late.
func (l *Lane) dequeue(turn chan Grant) {
	l.mu.Lock()
	l.waiters = slices.DeleteFunc(l.waiters, func(w chan Grant) bool { return w == turn })
	l.mu.Unlock()
	select {
	case g := <-turn:
		l.Release(g)
	default:
	}
}

// Release returns a grant whose call was not made. The next waiter gets it at once.
func (l *Lane) Release(g Grant) {
	if g.ID == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.offer(g) {
		l.unused = append(l.unused, g)
		l.signal()
	}
}

// offer gives a grant to the longest waiter, and reports whether it did. It never
// blocks: each waiter's channel has room for its one grant.
func (l *Lane) offer(g Grant) bool {
	if len(l.waiters) == 0 || g.Deadline.Passed() || time.Now().Before(l.blockedUntil) {
		return false
	}
	l.waiters[0] <- g
	l.waiters = l.waiters[1:]
	return true
}

// Observe records an answer's X-RateLimit headers. Call it after settling the
// call's grant, because it makes the dispatcher check whether there is room.
// Impossible values are ignored.
func (l *Lane) Observe(h Headers) {
	if h.Limit < 1 || h.Limit > maxLimit || h.Remaining < 0 || h.Remaining > h.Limit {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.openUntil.IsZero() { // without a limit there is nothing to learn
		l.headers = append(l.headers, h)
		l.signal()
	}
}

// Block stops the lane for d in every process, because the API answered 429. In
// this process it takes effect at once.
func (l *Lane) Block(d time.Duration) {
	until := time.Now().Add(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.pendingBlock) {
		l.pendingBlock = until
	}
	if until.After(l.blockedUntil) {
		l.blockedUntil = until
	}
	l.openUntil = time.Time{}
	l.signal()
}

// Stop ends all waiting with ErrStopping. Calls in flight go on.
func (l *Lane) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopped {
		l.stopped = true
		l.waiters = nil // a grant that arrives later goes back to the log
		close(l.done)
	}
}

// signal wakes the dispatcher.
func (l *Lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}
