//go:build unix

package chaos

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	sharedLimit  = 60
	sharedWindow = 2 * time.Second

	// The use of the limit is measured over steadyWindows at once, and again up to
	// steadyRounds times, because other programs may need the CPUs.
	steadyWindows = 3
	steadyRounds  = 4

	fullUse = 0.98
)

// Four processes keep one limit together, and use all of it. This test does not run in
// parallel with others, because it needs the CPUs.
//
//nolint:paralleltest // see above
func TestProcessesShareTheLimit(t *testing.T) {
	s := newStage(t, sharedLimit, sharedWindow)
	s.api.SetLatency(5*time.Millisecond, 5*time.Millisecond) // each window loses the time of one answer
	workers := s.four()
	batch := s.enqueue(renames(sharedLimit*(steadyRounds*steadyWindows+4), "value"))

	// The first window is a burst. After that, grants become free one by one.
	s.waitCalls(sharedLimit + 1)
	used, possible := s.measureUse()
	for round := 1; round < steadyRounds && used < fullUse*possible; round++ {
		if u, p := s.measureUse(); u/p > used/possible {
			used, possible = u, p
		}
	}
	t.Logf("%.1f %% of the limit used, %.1f %% possible; calls of each process: %v", 100*used, 100*possible, s.shares())
	require.Len(t, s.shares(), len(workers), "a process has made no calls")

	_, err := s.db.CancelBatch(t.Context(), batch, nil) // enough was measured
	require.NoError(t, err)
	s.waitFinished(time.Now())
	s.checkAll()
	if !raceEnabled { // the race detector needs too much of the CPUs
		require.GreaterOrEqual(t, used, fullUse*possible)
	}
}

// One of four processes is killed while it has grants. The limit is always kept.
func TestOneOfFourKilled(t *testing.T) {
	t.Parallel()
	s := newStage(t, sharedLimit, sharedWindow)
	const n = 8 * sharedLimit
	workers := s.four()
	s.enqueue(renames(n, "value"))
	s.waitCalls(3 * sharedLimit)
	workers[0].kill()
	t.Logf("at rest %.1f s after the kill", s.waitFinished(time.Now()).Seconds())
	s.checkAll()
	s.checkSucceeded(n)
}

func (s *stage) four() []*process {
	s.Helper()
	workers := make([]*process, 4)
	for i := range workers {
		workers[i] = s.worker("worker " + strconv.Itoa(i))
		s.waitRegistered(workers[i])
	}
	return workers
}

// measureUse returns the share of the limit that is used in the next windows, and the
// highest possible share. Each window loses the time of one answer, which is a large part
// of such a short window on a busy machine.
func (s *stage) measureUse() (used, possible float64) {
	s.Helper()
	from := time.Now()
	to := from.Add(steadyWindows * sharedWindow)
	s.eventually(time.Minute, "the windows are over", func() bool { return time.Now().After(to) })
	answer := ask[float64](s, `
		SELECT coalesce(extract(epoch FROM avg(duration)), 0)::float8 FROM attempt
		WHERE sent_at > clock_timestamp() - $1::interval`, steadyWindows*sharedWindow)
	possible = 1 / (1 + answer/sharedWindow.Seconds())
	return float64(s.callsBetween(from, to)) / (sharedLimit * steadyWindows), possible
}

func (s *stage) callsBetween(from, to time.Time) (n int) {
	for _, c := range s.api.Log() {
		if !c.ArrivedAt.Before(from) && c.ArrivedAt.Before(to) {
			n++
		}
	}
	return n
}

// shares returns the number of calls of each process.
func (s *stage) shares() []int {
	s.Helper()
	return ask[[]int](s, `
		SELECT array_agg(n ORDER BY n) FROM (SELECT count(*) AS n FROM attempt GROUP BY process_id) a`)
}

// Somebody else uses the same token in bursts. The lane notices that, after a few 429s.
func TestForeignUseOfTheToken(t *testing.T) {
	t.Parallel()
	s := newStage(t, sharedLimit, sharedWindow)
	const n, bursts = 500, 10
	s.worker("first")
	s.worker("second")
	s.enqueue(renames(n, "value"))
	foreign := 0
	for i := range bursts {
		s.waitCalls((i + 1) * 30)
		spend := 5 + rand.IntN(20)
		s.api.Spend(token, spend)
		foreign += spend
	}
	s.waitFinished(time.Now())
	refused := 0
	for _, c := range s.api.Log() {
		if c.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	t.Logf("%d calls of somebody else's in %d bursts: %d of %d calls refused", foreign, bursts, refused, s.api.Calls())
	s.checkConserved()
	s.checkHonest()
	s.checkOrder()
	s.checkAlone(0)
	s.checkSucceeded(n)
	require.LessOrEqual(t, s.api.MaxInWindow(s.window), s.limit)
	require.LessOrEqual(t, refused, foreign/2, "a storm of 429s")
	require.Equal(t, refused, ask[int](s, `SELECT sum(rate_limited)::int FROM batch`))
	require.Zero(t, ask[int](s, `SELECT sum(failures)::int FROM rename`), "a 429 costs no attempt")
}
