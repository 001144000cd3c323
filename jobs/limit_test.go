package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// TestRateLimitedStopsAllProcesses has one answer of 429 stop two pools, which
// are two processes to each other.
func TestRateLimitedStopsAllProcesses(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name string
		lane db.LaneSettings
	}{
		{"with a limit", db.LaneSettings{Limit: 10_000, Window: time.Minute, Fixed: true}},
		{"without one", db.LaneSettings{Window: time.Minute}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			const rows, stopped = 200, 5 * time.Second
			b := setup(t, settings{
				api: standin.Config{Assets: rows, Latency: 30 * time.Millisecond}, lane: row.lane, concurrency: 4,
			})
			b.api.FailAsset(standin.AssetID(20), standin.RateLimited("5"))
			b.start(t)
			b.startAnother(t)
			batch := b.load(t, names("new", 0, rows))
			stall := b.stall(t)
			b.untilDone(t, batch)

			var at time.Time
			for _, c := range b.api.Log() {
				if c.Status == 429 {
					at = c.AnsweredAt
				}
			}
			// What the other process learns through the database it learns within
			// milliseconds, or within a second where there are no grants to ask for: by a
			// wait, a statement and a call, each of which a busy machine may delay.
			late := 1500*time.Millisecond + 3*stall()
			for _, c := range b.api.Log() {
				since := c.ArrivedAt.Sub(at)
				require.False(t, since > late && since < stopped-100*time.Millisecond, "a call %s after the 429, on a machine that stood for %s", since, stall())
			}
			s := b.status(t, batch)
			require.EqualValues(t, rows, s.Succeeded)
			require.EqualValues(t, rows+1, s.Calls)
			require.EqualValues(t, 1, s.RateLimited)
			require.Zero(t, value[int](t, b, `SELECT sum(failures)::int FROM rename`), "it uses up no attempt")
			require.Equal(t, 2, value[int](t, b, `SELECT count(DISTINCT process_id)::int FROM attempt`), "both had a part in it")
		})
	}
}

// stall measures how late this machine is at most, in a wait and a statement, until the
// result is asked for.
func (b *testBundle) stall(t testing.TB) func() time.Duration {
	t.Helper()
	const wait = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	var worst time.Duration
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			began := time.Now()
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			_, _ = b.Pool().Exec(ctx, "SELECT")
			worst = max(worst, time.Since(began)-wait)
		}
	}()
	return func() time.Duration {
		cancel()
		<-ended
		return worst
	}
}

// TestLimitChanges has the API change its limit twice in mid-run: the lane follows
// what its answers say.
func TestLimitChanges(t *testing.T) {
	t.Parallel()

	const rows, window = 420, time.Second
	b := setup(t, settings{
		api:  standin.Config{Assets: rows, Limit: 60, Window: window, Seed: 7},
		lane: db.LaneSettings{Limit: 60, Window: window},
	})
	b.start(t)
	batch := b.load(t, names("new", 0, rows))
	for _, step := range []struct{ calls, limit int }{{90, 120}, {270, 60}} {
		b.untilCalls(t, step.calls)
		b.api.SetLimit(step.limit, window)
		until(t, "the lane's new limit", func() bool { return b.laneState(t).Limit == step.limit })
	}
	b.untilDone(t, batch)
	s := b.status(t, batch)
	require.EqualValues(t, rows, s.Succeeded)
	require.Zero(t, value[int](t, b, `SELECT sum(failures)::int FROM rename`))
	require.LessOrEqual(t, b.api.MaxInWindow(window), 120)
	// Calls that are on their way when the limit is halved are refused, no more.
	require.LessOrEqual(t, s.RateLimited, int64(2*jobs.DefaultConcurrency))
}

// TestLimitKept runs two processes on one limit, and has the API's log tell that
// no window saw more.
func TestLimitKept(t *testing.T) {
	t.Parallel()

	const rows, limit, window = 150, 50, 2 * time.Second
	b := setup(t, settings{
		api:  standin.Config{Assets: rows, Limit: limit, Window: window, Seed: 3, Latency: 20 * time.Millisecond},
		lane: db.LaneSettings{Limit: limit, Window: window, Fixed: true},
	})
	b.start(t)
	b.startAnother(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilDone(t, batch)
	require.LessOrEqual(t, b.api.MaxInWindow(window), limit)
	require.Zero(t, b.status(t, batch).RateLimited)
	require.Len(t, b.api.Log(), rows)
}

func TestBurstsOf500(t *testing.T) {
	t.Parallel()

	const rows, burst = 60, 9 // two bursts in a row don't open the breaker
	b := setup(t, settings{api: standin.Config{Assets: rows}})
	b.api.FailNext(standin.Repeat(10, standin.Fault{})...)
	b.api.FailNext(standin.Repeat(burst, standin.Status(500))...)
	b.api.FailNext(standin.Repeat(10, standin.Fault{})...)
	b.api.FailNext(standin.Repeat(burst, standin.Status(500).AfterApply())...)
	b.start(t)
	batch := b.load(t, names("new", 0, rows))
	b.hurryUntilDone(t, batch)
	s := b.status(t, batch)
	require.EqualValues(t, rows, s.Succeeded)
	require.EqualValues(t, rows+2*burst, s.Calls)
	require.Equal(t, 2*burst, value[int](t, b, `SELECT sum(failures)::int FROM rename`))
	require.Zero(t, value[int](t, b, `SELECT failures FROM breaker WHERE site_id = $1`, b.site.ID), "the last answers were good ones")
}

// A batch of a later priority is not starved by a large one, nor does it starve
// that: it has its share of the calls.
func TestLaterPrioritiesHaveAShare(t *testing.T) {
	t.Parallel()
	const all, few = 900, 15
	b := setup(t, settings{
		api:  standin.Config{Assets: all + few},
		lane: db.LaneSettings{Limit: 60, Window: time.Second, Fixed: true},
	})
	day := b.load(t, names("day", 0, all))
	night := b.loadWith(t, names("night", all, all+few), func(p *db.LoadParams) { p.Priority = 3 })
	b.start(t)
	b.untilDone(t, night)
	left := b.status(t, day).Left()
	require.Positive(t, left, "the night's rows did not wait for all of the day's")
	require.Less(t, left, int64(all-5*few), "and the day's went on meanwhile")
	b.untilDone(t, day)
	require.Equal(t, int64(all), b.status(t, day).Succeeded)
}

// Without a limit four jobs wait for each place to call. The wait takes nothing from the call's time, which counts from
// the claim.
func TestWaitForAPlaceTakesNoTimeFromTheCall(t *testing.T) {
	t.Parallel()
	const rows, concurrency = 85, 17
	b := setup(t, settings{
		api: standin.Config{Assets: rows, Latency: 3 * time.Second}, concurrency: concurrency,
		lane: db.LaneSettings{Window: time.Minute}, callTimeout: 10 * time.Second,
		times: jobs.Times{LeaseMargin: time.Second, FeedEvery: feedEvery},
	})
	batch := b.load(t, names("new", 0, rows))
	b.start(t)
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Succeeded)
	require.Zero(t, value[int](t, b, `SELECT sum(failures)::int FROM rename`), "no call was cut")
	require.Equal(t, rows, b.api.Calls())
}
