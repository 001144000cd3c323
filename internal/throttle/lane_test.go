package throttle

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

const testHold = 45 * time.Second

// fakeLog is the model, with errors and delays that a test adds.
type fakeLog struct {
	*model

	mu     sync.Mutex
	before func(ctx context.Context, op string) error
	after  func(ctx context.Context, op string) error
	ops    []string
}

func (f *fakeLog) visit(ctx context.Context, op string, do func() error) error {
	f.mu.Lock()
	before, after := f.before, f.after
	f.ops = append(f.ops, op)
	f.mu.Unlock()
	if before != nil {
		if err := before(ctx, op); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if after != nil {
		return after(ctx, op)
	}
	return nil
}

func (f *fakeLog) Grant(ctx context.Context, p db.GrantParams) (out db.Grants, err error) {
	err = f.visit(ctx, "grant", func() (err error) { out, err = f.model.Grant(ctx, p); return err })
	if err != nil {
		return db.Grants{}, err
	}
	return out, nil
}

func (f *fakeLog) ReleaseGrants(ctx context.Context, ids []int64) error {
	return f.visit(ctx, "release", func() error { return f.model.ReleaseGrants(ctx, ids) })
}

func (f *fakeLog) Observe(ctx context.Context, lane string, seen []db.Observation) error {
	return f.visit(ctx, "observe", func() error { return f.model.Observe(ctx, lane, seen) })
}

func (f *fakeLog) BlockLane(ctx context.Context, lane string, d time.Duration) error {
	return f.visit(ctx, "block", func() error { return f.model.BlockLane(ctx, lane, d) })
}

// goWrong sets what happens before and after each request to the log.
func (f *fakeLog) goWrong(before, after func(ctx context.Context, op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

func (f *fakeLog) count(op string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.ops {
		if o == op {
			n++
		}
	}
	return n
}

func (f *fakeLog) used() int { return f.state().Used }

// laneBundle is a Lane at work in a bubble of synctest.
type laneBundle struct {
	*Lane
	log  *fakeLog
	end  context.CancelFunc
	done chan struct{} // Run has returned
	logs *bytes.Buffer
}

// inBubble runs test with a Lane whose log has the limit a minute.
func inBubble(t *testing.T, limit int, test func(t *testing.T, b *laneBundle)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := startLane(t, &fakeLog{model: newModel(limit, time.Minute)}, testHold)
		test(t, b)
		b.end()
		<-b.done
	})
}

func startLane(t *testing.T, log *fakeLog, hold time.Duration) *laneBundle {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	b := &laneBundle{log: log, end: end, done: make(chan struct{}), logs: &bytes.Buffer{}}
	b.Lane = New(Config{
		Log: log, Lane: "lane", ProcessID: "process", Hold: hold,
		Logger: slog.New(slog.NewTextHandler(b.logs, nil)),
	})
	go func() {
		defer close(b.done)
		b.Run(ctx)
	}()
	return b
}

func (b *laneBundle) blockEnd() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.blockedUntil
}

func (b *laneBundle) acquire(t *testing.T) Grant {
	t.Helper()
	g, err := b.Acquire(t.Context())
	require.NoError(t, err)
	return g
}

// waiter is an Acquire in a goroutine of its own.
type waiter struct {
	cancel context.CancelFunc
	done   chan struct{}
	grant  Grant
	err    error
}

func (b *laneBundle) wait(t *testing.T) *waiter {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &waiter{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.grant, w.err = b.Acquire(ctx)
	}()
	synctest.Wait()
	return w
}

func (w *waiter) waits() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return false
	default:
		return true
	}
}

func TestBurstThenExactlyAWindow(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, func(t *testing.T, b *laneBundle) {
		start := time.Now()
		for range 3 {
			b.log.settle(b.acquire(t).ID, 0)
		}
		require.Zero(t, time.Since(start), "the whole limit in one burst")
		b.acquire(t)
		require.Equal(t, time.Minute, time.Since(start), "not a moment later than it frees itself")
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, b *laneBundle) {
		held := b.acquire(t)
		var waiters []*waiter
		for range 5 {
			waiters = append(waiters, b.wait(t))
		}
		for i, w := range waiters {
			require.True(t, w.waits(), i)
			b.Release(held)
			require.False(t, w.waits(), i)
			held = w.grant
		}
	})
}

// A released grant reaches a waiter at once, whatever the dispatcher does.
func TestReleaseNeedsNoTrip(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, b *laneBundle) {
		held := b.acquire(t)
		b.log.goWrong(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
		w := b.wait(t)
		b.Release(held)
		require.False(t, w.waits())
		require.Equal(t, held, w.grant)
		require.Zero(t, b.log.count("release"))
	})
}

// A grant that one process returns reaches another process within a second.
func TestReleaseReachesOtherProcesses(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, b *laneBundle) {
		other := startLane(t, b.log, testHold)
		defer func() { other.end(); <-other.done }()
		held := other.acquire(t)
		w := b.wait(t)
		pass(10500 * time.Millisecond)
		start := time.Now()
		other.Release(held)
		<-w.done
		require.LessOrEqual(t, time.Since(start), time.Second)
	})
}

func TestReleaseGivesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.Release(b.acquire(t))
		synctest.Wait()
		require.Zero(t, b.log.used())
		b.Release(Grant{}) // that of a lane without a limit
		synctest.Wait()
		require.Equal(t, 1, b.log.count("release"))
	})
}

// If the answer to a release is lost, the log may have given the grant to another
// process. So nobody in this process may get it again.
func TestReleasedGrantIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.log.goWrong(nil, func(_ context.Context, op string) error {
			if op == "release" {
				return errors.New("connection reset")
			}
			return nil
		})
		first := b.acquire(t)
		b.Release(first)
		synctest.Wait()
		w := b.wait(t)
		b.log.goWrong(nil, nil)
		<-w.done
		require.NotEqual(t, first.ID, w.grant.ID)
		require.Equal(t, 1, b.log.used())
		require.Contains(t, b.logs.String(), "connection reset")
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, b *laneBundle) {
		held := b.acquire(t)
		w := b.wait(t)
		b.Stop()
		b.Stop() // a second time is nothing
		require.False(t, w.waits())
		require.ErrorIs(t, w.err, ErrStopping)
		_, err := b.Acquire(t.Context())
		require.ErrorIs(t, err, ErrStopping)
		b.Release(held)
		synctest.Wait()
		require.Zero(t, b.log.used(), "what was not used is given back")
	})
}

// Grants that arrive after the waiters have gone are returned.
func TestWaiterLeaves(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.log.goWrong(nil, func(_ context.Context, op string) error {
			if op == "grant" {
				pass(time.Second)
			}
			return nil
		})
		first, second := b.wait(t), b.wait(t)
		first.cancel()
		require.False(t, first.waits())
		require.ErrorIs(t, first.err, context.Canceled)
		<-second.done
		require.NoError(t, second.err)
		pass(time.Minute)
		require.Equal(t, 1, b.log.used())
	})
}

// A grant may arrive after a waiter gave up and before it left the queue.
func TestWaiterLeavesServed(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, b *laneBundle) {
		held, turn := b.acquire(t), make(chan Grant, 1)
		_, ok, err := b.enqueue(turn)
		require.NoError(t, err)
		require.False(t, ok)
		b.Release(held)
		require.Len(t, turn, 1)
		b.dequeue(turn)
		synctest.Wait()
		require.Zero(t, b.log.used())
	})
}

// Whatever the waiters do, no grant is lost: somebody holds each one that counts.
func TestNoGrantLeaks(t *testing.T) {
	t.Parallel()
	inBubble(t, 7, func(t *testing.T, b *laneBundle) {
		rng := scenario{seed: 1}.rng(0)
		b.log.goWrong(nil, func(context.Context, string) error { pass(time.Millisecond); return nil })
		var held []Grant
		for range 500 {
			var crowd []*waiter
			for range 1 + rng.IntN(4) {
				w := b.wait(t)
				crowd = append(crowd, w)
				time.AfterFunc(upTo(rng, 3)*time.Millisecond, w.cancel) // when its grant may come
			}
			for _, w := range crowd {
				<-w.done
				if w.err == nil {
					held = append(held, w.grant)
				}
			}
			for len(held) > rng.IntN(7) {
				b.Release(held[0])
				held = held[1:]
			}
		}
		pass(time.Second)
		require.Len(t, held, b.log.used())
		for _, g := range held {
			require.True(t, b.log.counts(g.ID))
		}
	})
}

func TestBlock(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		other := startLane(t, b.log, testHold)
		defer func() { other.end(); <-other.done }()

		held := b.acquire(t)
		start := time.Now()
		b.Block(20 * time.Second)
		b.Block(10 * time.Second) // the longer one counts
		require.Equal(t, start.Add(20*time.Second), b.blockEnd())
		w := b.wait(t)
		b.Release(held)
		require.True(t, w.waits(), "a grant that is free is of no use")
		other.acquire(t)
		require.Equal(t, 20*time.Second, time.Since(start), "it holds in all processes")
		<-w.done
		require.Equal(t, 20*time.Second, time.Since(start))
		require.Zero(t, b.blockEnd())
		require.Equal(t, 2, b.log.used())
	})
}

// A 429 that arrives while grants are on their way holds them back.
func TestBlockMeetsGrants(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"with a limit": 5, "without": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, limit, func(t *testing.T, b *laneBundle) {
				b.log.goWrong(nil, func(context.Context, string) error { pass(time.Second); return nil })
				start, w := time.Now(), b.wait(t)
				b.Block(20 * time.Second)
				<-w.done
				require.GreaterOrEqual(t, time.Since(start), 20*time.Second)
				require.NoError(t, w.err)
				pass(5 * time.Second)
				require.Equal(t, min(limit, 1), b.log.used(), "what was held back was given back")
			})
		})
	}
}

// A 429 that was reported late blocks only for the rest of its time.
func TestBlockOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.log.goWrong(func(context.Context, string) error { return errors.New("no route to host") }, nil)
		start := time.Now()
		b.Block(time.Minute)
		pass(30 * time.Second)
		b.log.goWrong(nil, nil)
		pass(lastRetry)
		require.Equal(t, time.Minute-time.Since(start), b.log.state().Blocked)
		b.acquire(t)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestWithoutLimit(t *testing.T) {
	t.Parallel()
	inBubble(t, 0, func(t *testing.T, b *laneBundle) {
		for range 100 {
			g := b.acquire(t)
			require.Zero(t, g.ID)
			require.False(t, g.Deadline.Passed())
			b.Observe(Headers{Limit: 60, Remaining: 1, SentAt: time.Now()})
		}
		require.Equal(t, 1, b.log.count("grant"))
		require.Zero(t, b.log.count("observe"))

		start := time.Now()
		require.NoError(t, b.log.model.BlockLane(t.Context(), "lane", 20*time.Second))
		pass(openFor)
		b.acquire(t)
		require.Equal(t, 20*time.Second, time.Since(start), "a 429 in another process stops it too")
		b.Block(20 * time.Second)
		b.acquire(t)
		require.Equal(t, 40*time.Second, time.Since(start))
	})
}

func TestObserve(t *testing.T) {
	t.Parallel()
	inBubble(t, 60, func(t *testing.T, b *laneBundle) {
		for _, h := range []Headers{
			{Limit: 0, Remaining: 0},
			{Limit: -5, Remaining: 1},
			{Limit: 60, Remaining: 61},
			{Limit: 60, Remaining: -1},
			{Limit: maxLimit + 1, Remaining: 5},
		} {
			h.SentAt = time.Now()
			b.Observe(h)
		}
		b.Observe(Headers{Limit: 30, Remaining: 30, SentAt: time.Now().Add(-maxHeaderAge)}) // too old
		synctest.Wait()
		require.Zero(t, b.log.count("observe"))
		b.Observe(Headers{Limit: 120, Remaining: 119, SentAt: time.Now()})
		synctest.Wait()
		require.Equal(t, 1, b.log.count("observe"))
		require.Equal(t, 120, b.log.state().Limit)
	})
}

// A lane whose grants are used up asks for more when one becomes free, and not after each
// answer; unless the answer says that the limit is another one.
func TestFullLaneDoesNotAskAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, 2, func(t *testing.T, b *laneBundle) {
		b.acquire(t)
		b.acquire(t)
		w := b.wait(t)
		asked := b.log.count("grant")
		b.Observe(Headers{Limit: 2, Remaining: 0, SentAt: time.Now()})
		require.True(t, w.waits())
		require.Equal(t, 1, b.log.count("observe"))
		require.Equal(t, asked, b.log.count("grant"))
		b.Observe(Headers{Limit: 4, Remaining: 2, SentAt: time.Now()})
		require.False(t, w.waits())
	})
}

func TestOutage(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		start := time.Now()
		b.log.goWrong(func(context.Context, string) error { return errors.New("no route to host") }, nil)
		w := b.wait(t)
		pass(30 * time.Second)
		require.True(t, w.waits(), "no database, no calls")
		require.Less(t, b.log.count("grant"), 25, "it asks less and less")
		b.log.goWrong(nil, nil)
		<-w.done
		require.LessOrEqual(t, time.Since(start), 30*time.Second+lastRetry)
		require.NoError(t, w.err)
	})
}

// A request to the log that is never answered ends after logTimeout.
func TestHungTrip(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.log.goWrong(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
		start, w := time.Now(), b.wait(t)
		pass(time.Second)
		b.log.goWrong(nil, nil)
		<-w.done
		require.Less(t, time.Since(start), 15*time.Second)
	})
}

// A grant that has expired when it arrives is not used.
func TestLateGrantIsNotUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := startLane(t, &fakeLog{model: newModel(5, time.Minute)}, 5*time.Second)
		b.log.goWrong(nil, func(_ context.Context, op string) error {
			if op == "grant" {
				pass(6 * time.Second)
			}
			return nil
		})
		w := b.wait(t)
		pass(5 * time.Second)
		b.log.goWrong(nil, nil)
		<-w.done
		require.False(t, w.grant.Deadline.Passed())
		require.EqualValues(t, 2, w.grant.ID)
		require.Equal(t, 1, b.log.used(), "the late one was given back")
		b.end()
		<-b.done
	})
}

// Grants that arrive while the process stops are returned.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.log.goWrong(nil, func(ctx context.Context, _ string) error {
			nap(ctx, 100*time.Millisecond)
			return ctx.Err()
		})
		w := b.wait(t)
		require.Equal(t, 1, b.log.used())
		b.Stop()
		b.end()
		<-b.done
		<-w.done
		require.ErrorIs(t, w.err, ErrStopping)
		require.Zero(t, b.log.used())
	})
}

// Without a dispatcher there are no grants, so nobody waits.
func TestRunEndsWaiting(t *testing.T) {
	t.Parallel()
	inBubble(t, 1, func(t *testing.T, b *laneBundle) {
		b.acquire(t)
		w := b.wait(t)
		b.end()
		<-b.done
		<-w.done
		require.ErrorIs(t, w.err, ErrStopping)
	})
}

// A 429 just before the stop is still reported, because other processes go on.
func TestRunTellsTheLast429(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		b.Block(time.Minute)
		b.end()
		<-b.done
		require.Equal(t, time.Minute, b.log.state().Blocked)
	})
}

func TestRunEndsWithoutDatabase(t *testing.T) {
	t.Parallel()
	inBubble(t, 5, func(t *testing.T, b *laneBundle) {
		held := b.acquire(t)
		b.log.goWrong(func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }, nil)
		b.Release(held)
		synctest.Wait()
		start := time.Now()
		b.end()
		<-b.done
		require.LessOrEqual(t, time.Since(start), 2*stopGrace)
	})
}
