package jobs_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
	"relabel/jobs"
)

// TestStopGracefully stops a pool of four workers of which two make a call and
// two wait for a grant.
func TestStopGracefully(t *testing.T) {
	t.Parallel()

	const rows = 20
	b := setup(t, settings{
		api:         standin.Config{Assets: rows, Latency: time.Second},
		lane:        few(2),
		concurrency: 4,
	})
	pool := b.start(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilCalls(t, 2)
	began := time.Now()
	stop(t, pool)
	require.Less(t, time.Since(began), patience, "those that wait don't hold it up")
	s := b.status(t, batch)
	require.EqualValues(t, 2, s.Succeeded, "calls in flight finish")
	require.EqualValues(t, rows-2, s.Pending)
	require.Equal(t, 2, b.api.Calls(), "no new ones begin")
	b.requireNothingLeft(t)
	require.NoError(t, pool.Stop(t.Context()), "stopping twice is stopping once")

	b.lane.Limit = 100_000
	b.api.SetLatency(0, 0)
	b.start(t)
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Succeeded)
	require.Equal(t, rows, b.api.Calls(), "nothing is sent twice")
	require.Zero(t, value[int](t, b, `SELECT sum(failures)::int FROM rename`))
}

// requireNothingLeft: a pool that has stopped has no job and is no process.
func (b *testBundle) requireNothingLeft(t testing.TB) {
	t.Helper()
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM river_job WHERE state = 'running'`))
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM process`))
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM rename WHERE status = 'sending'`))
}

func TestStopHard(t *testing.T) {
	t.Parallel()

	const rows, concurrency = 6, 3
	b := setup(t, settings{api: standin.Config{Assets: rows}, concurrency: concurrency})
	b.api.FailNext(standin.Repeat(concurrency, standin.Hang())...)
	pool := b.start(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilCalls(t, concurrency)
	began := time.Now()
	stopHard(t, pool)
	require.Less(t, time.Since(began), callTime, "calls are cut")
	require.EqualValues(t, rows, b.status(t, batch).Pending)
	b.requireNothingLeft(t)
	for _, r := range b.renames(t, batch)[:concurrency] {
		require.Equal(t, 1, r.Calls)
		require.Zero(t, r.Failures, "it was not the row's doing: %v", deref(r.Error))
		require.True(t, r.Unknown, "it was sent, so it might still land")
		list := b.attempts(t, r.ID)
		require.Len(t, list, 1)
		require.Equal(t, "interrupted", list[0].Outcome)
	}

	b.start(t)
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Succeeded)
	require.Equal(t, rows+concurrency, b.api.Calls(), "one more call for each that was cut")
}

// TestStopWithoutStart: what was never started, or could not start, stops all
// the same.
func TestStopWithoutStart(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{})
	d := dbtest.Open(t, b.url)
	pool, err := jobs.NewPool(t.Context(), jobs.Config{
		DB: d, Sites: []jobs.SiteConfig{b.siteConfig(t)}, CallTimeout: callTime, Logger: b.logs.logger(),
	})
	require.NoError(t, err)
	d.Close()
	require.Error(t, pool.Start(t.Context()))
	require.NoError(t, pool.Stop(t.Context()))

	_, err = jobs.NewPool(t.Context(), jobs.Config{DB: d, CallTimeout: callTime, Logger: b.logs.logger()})
	require.Error(t, err, "a database that is not there")
}

// TestStopOutlivesItsStarter: the context that a pool is started with ends
// nothing, only Stop does.
func TestStopOutlivesItsStarter(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{api: standin.Config{Assets: 5}})
	pool, err := jobs.NewPool(t.Context(), jobs.Config{
		DB: b.DB, Sites: []jobs.SiteConfig{b.siteConfig(t)}, CallTimeout: callTime, Logger: b.logs.logger(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, pool.Start(ctx))
	cancel()
	batch := b.load(t, names("new", 0, 5))
	b.untilDone(t, batch)
	stop(t, pool)
}
