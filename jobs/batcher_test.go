package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// errPasses is one that may be gone in a moment: a deadlock.
var errPasses = &pgconn.PgError{Code: "40P01", Message: "deadlock detected"}

var errStays = errors.New("this can't be written")

// recorder is a group's database: it doubles numbers, and keeps what was sent
// with what.
type recorder struct {
	mu    sync.Mutex
	sent  [][]int
	fail  func(qs []int) error
	delay time.Duration // of one statement
}

func (r *recorder) send(ctx context.Context, qs []int) ([]int, error) {
	select {
	case <-time.After(r.delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, slices.Clone(qs))
	if r.fail != nil {
		if err := r.fail(qs); err != nil {
			return nil, err
		}
	}
	out := make([]int, len(qs))
	for i, q := range qs {
		out[i] = 2 * q
	}
	return out, nil
}

func (r *recorder) statements() [][]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sent)
}

// inGroup runs a test in a bubble with a running group; stop ends the group.
func inGroup(t *testing.T, r *recorder, test func(t *testing.T, g *batcher[int, int], stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := newBatcher(maxTogether, patient(r.send))
		go g.run(ctx, 1)
		test(t, g, cancel)
		cancel()
		<-g.ended
	})
}

// ask hands in the requests from..to at once, and gives the answers by request.
func ask(ctx context.Context, g *batcher[int, int], from, to int) (answers map[int]int, errs map[int]error) {
	answers, errs = map[int]int{}, map[int]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for q := from; q <= to; q++ {
		all.Go(func() {
			a, err := g.do(ctx, q)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs[q] = err
				return
			}
			answers[q] = a
		})
	}
	all.Wait()
	return answers, errs
}

func TestGroupLoneRequestGoesAtOnce(t *testing.T) {
	t.Parallel()

	r := &recorder{}
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], _ func()) {
		began := time.Now()
		a, err := g.do(t.Context(), 21)
		require.NoError(t, err)
		require.Equal(t, 42, a)
		require.Zero(t, time.Since(began), "nobody waits for company")
		require.Equal(t, [][]int{{21}}, r.statements())
	})
}

func TestGroupCrowdSharesStatements(t *testing.T) {
	t.Parallel()

	r := &recorder{delay: 10 * time.Millisecond}
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], _ func()) {
		began := time.Now()
		answers, errs := ask(t.Context(), g, 1, maxTogether+40)
		require.Empty(t, errs)
		for q := 1; q <= maxTogether+40; q++ {
			require.Equal(t, 2*q, answers[q], "each its own answer")
		}
		sent := r.statements()
		// The first takes what is there when it goes, the second what came
		// meanwhile, up to the bound; the third is what is left.
		require.LessOrEqual(t, len(sent), 3)
		require.Equal(t, time.Duration(len(sent))*r.delay, time.Since(began))
		for _, qs := range sent {
			require.LessOrEqual(t, len(qs), maxTogether)
		}
	})
}

func TestGroupRepeatsWhatPasses(t *testing.T) {
	t.Parallel()

	tries := 0
	r := &recorder{fail: func([]int) error {
		if tries++; tries <= 8 {
			return errPasses
		}
		return nil
	}}
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], _ func()) {
		began := time.Now()
		a, err := g.do(t.Context(), 4)
		require.NoError(t, err)
		require.Equal(t, 8, a)
		// 50 ms doubling to 2 s: 0.05 + 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 2 + 2
		require.Equal(t, 7150*time.Millisecond, time.Since(began))
	})
}

func TestGroupOneBadRequestSpoilsNoOther(t *testing.T) {
	t.Parallel()

	r := &recorder{delay: time.Millisecond, fail: func(qs []int) error {
		if slices.Contains(qs, 13) {
			return errStays
		}
		return nil
	}}
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], _ func()) {
		answers, errs := ask(t.Context(), g, 1, 20)
		require.Equal(t, map[int]error{13: errStays}, errs)
		require.Len(t, answers, 19)
	})
}

func TestGroupStatementThatNeverAnswers(t *testing.T) {
	t.Parallel()

	hung := true
	r := &recorder{delay: 24 * time.Hour} // a connection that is dead, though nobody said so
	r.fail = func([]int) error { return nil }
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		g := newBatcher(maxTogether, patient(func(ctx context.Context, qs []int) ([]int, error) {
			if !hung {
				return qs, nil
			}
			hung = false
			return r.send(ctx, qs)
		}))
		go g.run(ctx, 1)
		began := time.Now()
		a, err := g.do(t.Context(), 5)
		require.NoError(t, err)
		require.Equal(t, 5, a)
		require.Equal(t, answerTime+firstRetry, time.Since(began), "tried again on another connection")
		cancel()
		<-g.ended
	})
}

func TestGroupStopAnswersEverybody(t *testing.T) {
	t.Parallel()

	r := &recorder{fail: func([]int) error { return errPasses }} // the database is away
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], stop func()) {
		time.AfterFunc(time.Second, stop)
		answers, errs := ask(t.Context(), g, 1, 3*maxTogether) // in the statement, in the queue, and before it
		require.Empty(t, answers)
		require.Len(t, errs, 3*maxTogether)
		for _, err := range errs {
			require.ErrorIs(t, err, errBatcherStopped)
		}
		_, err := g.do(t.Context(), 1)
		require.ErrorIs(t, err, errBatcherStopped, "nobody is there any more")
	})
}

func TestGroupStopCutsStatement(t *testing.T) {
	t.Parallel()

	r := &recorder{delay: time.Hour}
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], stop func()) {
		time.AfterFunc(time.Second, stop)
		_, errs := ask(t.Context(), g, 1, 5)
		require.Len(t, errs, 5)
	})
	require.Empty(t, r.statements())
}

func TestGroupRequesterLeaves(t *testing.T) {
	t.Parallel()

	r := &recorder{delay: time.Second}
	inGroup(t, r, func(t *testing.T, g *batcher[int, int], _ func()) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := g.do(ctx, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		a, err := g.do(t.Context(), 2)
		require.NoError(t, err, "an answer that nobody hears holds nobody up")
		require.Equal(t, 4, a)
	})
}

func TestInOrder(t *testing.T) {
	t.Parallel()

	claims := []db.Claim{{RenameID: 3, Verdict: db.Claimed, Fence: 7}, {RenameID: 1, Verdict: db.Wait}}
	final := func(id int64) db.Claim { return db.Claim{RenameID: id, Verdict: db.Final} }
	require.Equal(t, []db.Claim{claims[1], final(2), claims[0]}, inOrder([]int64{1, 2, 3}, claims), "one that is not there is final")
	require.Equal(t, []db.Claim{claims[0], final(3), claims[1]}, inOrder([]int64{3, 3, 1}, claims), "so is the second of two equal ones")
	require.Equal(t, []db.Claim{final(9)}, inOrder([]int64{9}, nil), "and all when there is no answer")
	require.Empty(t, inOrder(nil, nil))
}

// While one statement waits, for example for a lock, another one goes on.
func TestGroupOfSeveralStatements(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &recorder{}
		g := newBatcher(maxTogether, func(ctx context.Context, qs []int) ([]int, error) {
			if qs[0] == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return r.send(ctx, qs)
		})
		go g.run(ctx, 2)
		go func() { _, _ = g.do(ctx, 1) }()
		synctest.Wait()
		a, err := g.do(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, 4, a)
		cancel()
		<-g.ended
	})
}

// A send that does not repeat a transient error is not called for each request of a crowd.
func TestGroupSharesATransientError(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		r := &recorder{delay: time.Second, fail: func([]int) error { return errPasses }}
		g := newBatcher(maxTogether, r.send)
		go g.run(ctx, 1)
		answers, errs := ask(t.Context(), g, 1, 20)
		require.Empty(t, answers)
		require.Len(t, errs, 20)
		require.LessOrEqual(t, len(r.statements()), 2, "the first, and the crowd")
		cancel()
		<-g.ended
	})
}
