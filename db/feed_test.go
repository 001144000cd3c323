package db_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

const jobKind = "rename"

func (b *testBundle) feedParams(window int) db.FeedParams {
	return db.FeedParams{SiteID: b.site.ID, Queue: b.site.Queue(), Kind: jobKind, Window: window}
}

// feed gives jobs to the renames that need one, as the worker processes do, and names them.
func (b *testBundle) feed(t tb, window int) []int64 {
	t.Helper()
	ids, err := b.feedIn(t.Context(), window)
	require.NoError(t, err)
	return ids
}

func (b *testBundle) feedIn(ctx context.Context, window int) (ids []int64, err error) {
	err = pgx.BeginFunc(ctx, b.Pool(), func(tx pgx.Tx) error {
		rows, _, err := db.Feed(ctx, tx, b.feedParams(window))
		if err != nil {
			return err
		}
		for _, r := range rows {
			ids = append(ids, r.RenameID)
			_, err := tx.Exec(ctx, `
				INSERT INTO river_job (kind, queue, priority, max_attempts, args)
				VALUES ($1, $2, $3, 25, jsonb_build_object('rename_id', $4::bigint))`, jobKind, b.site.Queue(), r.Priority, r.RenameID)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return ids, err
}

// setJobs brings the jobs of renames to a state, as River or a person in its UI would. running is in process.
func (b *testBundle) setJobs(t tb, state string, ids ...int64) {
	t.Helper()
	b.exec(t, `
		UPDATE river_job SET state = $1::river_job_state, attempted_by = array['p0', 'p1'],
			finalized_at = CASE WHEN $1 IN ('completed', 'cancelled', 'discarded') THEN now() END
		WHERE (args->>'rename_id')::bigint = ANY ($2)`, state, ids)
}

func (b *testBundle) beat(t tb, ago time.Duration) {
	t.Helper()
	require.NoError(t, b.Beat(t.Context(), db.Process{ID: process, Command: "work", Version: "1", Host: "h", PID: 7}))
	b.exec(t, `UPDATE process SET heartbeat_at = clock_timestamp() - $1::interval WHERE id = $2`, ago, process)
}

// tampering is what may happen to a rename's job.
type tampering func(t *testing.T, b *testBundle, l loaded)

func state(state string) tampering {
	return func(t *testing.T, b *testBundle, l loaded) {
		t.Helper()
		b.setJobs(t, state, l.ids[0])
	}
}

// running is in a process whose last heartbeat was so long ago.
func running(ago time.Duration) tampering {
	return func(t *testing.T, b *testBundle, l loaded) {
		t.Helper()
		b.beat(t, ago)
		b.setJobs(t, "running", l.ids[0])
	}
}

func scheduled(state string, in time.Duration) tampering {
	return func(t *testing.T, b *testBundle, l loaded) {
		t.Helper()
		b.setJobs(t, state, l.ids[0])
		b.exec(t, `UPDATE river_job SET scheduled_at = clock_timestamp() + $1::interval`, in)
	}
}

func deleted(t *testing.T, b *testBundle, l loaded) {
	t.Helper()
	b.exec(t, `DELETE FROM river_job WHERE (args->>'rename_id')::bigint = $1`, l.ids[0])
}

// What happens to a rename's job or to the rename itself, and whether it then is fed again.
func TestFeedAgain(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		then tampering
		fed  bool
	}{
		"nothing":                {func(*testing.T, *testBundle, loaded) {}, false},
		"job waits":              {state("available"), false},
		"job is scheduled":       {state("scheduled"), false},
		"job is to be retried":   {state("retryable"), false},
		"job is pending":         {state("pending"), true}, // River never makes such a one
		"job waits for later":    {scheduled("available", time.Minute), true},
		"job waits for long":     {scheduled("available", -time.Hour), false},
		"job is scheduled soon":  {scheduled("scheduled", 5*time.Second), false},
		"job is for later":       {scheduled("scheduled", time.Minute), true},
		"job was for long ago":   {scheduled("scheduled", -time.Minute), true},
		"its retry is for later": {scheduled("retryable", time.Minute), true},
		"job deleted":            {deleted, true},
		"job cancelled":          {state("cancelled"), true},
		"job completed":          {state("completed"), true},
		"job discarded":          {state("discarded"), true},
		"job runs":               {running(0), false},
		"job runs, a beat late":  {running(20 * time.Second), false},
		"its process is dead":    {running(time.Minute), true},
		"its process is gone":    {state("running"), true},
		"its process has ended": {func(t *testing.T, b *testBundle, l loaded) {
			running(0)(t, b, l)
			require.NoError(t, b.EndProcess(t.Context(), process))
		}, true},
		"job of another kind": {func(t *testing.T, b *testBundle, l loaded) {
			b.exec(t, `UPDATE river_job SET kind = 'other'`)
		}, true},
		"job without a rename": {func(t *testing.T, b *testBundle, l loaded) {
			b.exec(t, `UPDATE river_job SET args = '{}' WHERE (args->>'rename_id')::bigint = $1`, l.ids[0])
		}, true},

		"job gone, rename in flight": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.mustClaim(t, l.ids[0])
		}, false},
		"job gone, lease out": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.lose(t, l)
		}, true},
		"job gone, waits for its next try": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.delay(t, l.ids[0])
		}, false},
		"job gone, next try due": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.delay(t, l.ids[0])
			b.exec(t, `UPDATE rename SET not_before = clock_timestamp() - interval '1 ms' WHERE not_before IS NOT NULL`)
		}, true},
		"job gone, rename ended": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.settle(t, l.ids[0], "succeeded")
		}, false},
		"job gone, batch paused": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.setBatch(t, l.batch, "paused")
		}, false},
		"job gone, batch cancelled": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.setBatch(t, l.batch, "cancelled")
		}, false},
		"job gone, site parked": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.park(t)
		}, false},
		"job gone, site paused": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.pauseSite(t, true)
		}, false},
		"job gone, site parked and resumed": {func(t *testing.T, b *testBundle, l loaded) {
			deleted(t, b, l)
			b.park(t)
			_, err := b.UnparkSite(t.Context(), b.site.ID)
			require.NoError(t, err)
		}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			l := b.load(t, "a")
			require.Equal(t, l.ids, b.feed(t, 10))
			tt.then(t, b, l)
			fed := b.feed(t, 10)
			require.Equal(t, tt.fed, len(fed) == 1)
			require.Empty(t, b.feed(t, 10), "it has a job now, or needs none")
			b.requireCountsAddUp(t)
		})
	}
}

// A job that says it runs in the very process that feeds must be known there, unless it was fetched a moment ago.
func TestFeedKnowsWhatRunsHere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b")
	require.Equal(t, l.ids, b.feed(t, 10))
	b.beat(t, 0)
	b.setJobs(t, "running", l.ids...)
	missing := func(process string, ago time.Duration, running ...int64) (ids []int64) {
		b.exec(t, `UPDATE river_job SET attempted_at = clock_timestamp() - $1::interval`, ago)
		tx := begin(t, b.Pool())
		p := b.feedParams(10)
		p.ProcessID, p.Running = process, running
		rows, ok, err := db.Feed(t.Context(), tx, p)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, tx.Rollback(t.Context()))
		for _, r := range rows {
			ids = append(ids, r.RenameID)
		}
		return ids
	}
	jobs := list[int64](t, b, `SELECT id FROM river_job ORDER BY (args->>'rename_id')::bigint`)
	require.Empty(t, missing(process, time.Minute, jobs...))
	require.Equal(t, l.ids[1:], missing(process, time.Minute, jobs[0]))
	require.Equal(t, l.ids, missing(process, time.Minute))
	require.Empty(t, missing(process, 0), "the fetch may be on its way")
	require.Empty(t, missing("p2", time.Minute), "another process knows its own")
}

// By priority, then in the order of acceptance (not of ids), then of rows; as many as the window holds.
func TestFeedOrderAndWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere(t)
	foreign := other.load(t, "a", "b")

	var inner loaded
	outer := b.loadWith(t, b.params(then(rowsOf("a", "b", "c"), func() error {
		inner = b.load(t, "d", "!e", "f") // accepted first, its ids come last
		return nil
	})))
	p := b.params(rowsOf("g", "h"))
	p.Priority = 1
	urgent := b.loadWith(t, p)
	order := []int64{urgent.ids[0], urgent.ids[1], inner.ids[0], inner.ids[2], outer.ids[0], outer.ids[1], outer.ids[2]}

	require.Equal(t, order[:3], b.feed(t, 3))
	require.Empty(t, b.feed(t, 3), "the window is full")
	require.Equal(t, order[3:5], b.feed(t, 5))
	require.Equal(t, []int64{1, 1, 2, 2, 2}, list[int64](t, b, `SELECT priority FROM river_job ORDER BY id`))
	b.settle(t, order[0], "succeeded")
	b.settle(t, order[3], "failed")
	require.Equal(t, order[5:], b.feed(t, 5), "the window moves on as rows end")

	p = b.params(rowsOf("z"))
	p.Priority = 1
	require.Equal(t, b.loadWith(t, p).ids, b.feed(t, 5), "what comes first pushes in front of a full window")
	require.Equal(t, foreign.ids, other.feed(t, 5))
}

// Later priorities keep jobs behind a full window, and a share of the calls: what
// is promoted goes before all that waits, each priority's rows in their order.
func TestFeedKeepsAShare(t *testing.T) {
	t.Parallel()
	b := setup(t)
	load := func(priority, n int) []int64 {
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("asset %d of %d", i, priority)
		}
		p := b.params(rowsOf(names...))
		p.Priority = priority
		return b.loadWith(t, p).ids
	}
	night, later, day := load(3, 40), load(4, 5), load(2, 100)
	want := append(append(slices.Clone(day[:30]), night[:3]...), later[:3]...)
	require.Equal(t, want, b.feed(t, 30))
	require.Empty(t, b.feed(t, 30))

	promote := func(n int) (promoted int) {
		require.NoError(t, pgx.BeginFunc(t.Context(), b.Pool(), func(tx pgx.Tx) (err error) {
			promoted, err = db.Promote(t.Context(), tx, b.feedParams(30), n)
			return err
		}))
		return promoted
	}
	queue := func() []int64 {
		return list[int64](t, b, `
			SELECT (args->>'rename_id')::bigint FROM river_job WHERE state = 'available' ORDER BY priority, scheduled_at, id`)
	}
	require.Equal(t, 2, promote(2), "one of each")
	require.ElementsMatch(t, []int64{night[0], later[0]}, queue()[:2])
	require.Equal(t, day[:30], queue()[2:32], "the others as they were")

	// A small batch that is urgent goes before all but that share.
	urgent := load(1, 5)
	b.setJobs(t, "completed", night[0], later[0])
	require.Subset(t, b.feed(t, 30), urgent)
	require.Equal(t, urgent, queue()[:5])
	require.Equal(t, 1, promote(1))
	require.Equal(t, urgent, queue()[1:6])
	require.NotContains(t, urgent, queue()[0])

	b.setJobs(t, "completed", queue()...)
	require.Zero(t, promote(3), "nobody waits")
}

// While the breaker is open one job is enough: the probe. It is not always that of the same row.
func TestFeedWithBreakerOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c")
	b.exec(t, `UPDATE breaker SET opened_at = now(), next_probe_at = now()`)
	probe := b.feed(t, 10)
	require.Len(t, probe, 1)
	require.Empty(t, b.feed(t, 10))

	seen := map[int64]bool{probe[0]: true}
	for tries := 0; len(seen) < len(l.ids); tries++ {
		require.Less(t, tries, 200, "each row gets its turn")
		b.setJobs(t, "completed", probe...)
		probe = b.feed(t, 10)
		require.Len(t, probe, 1)
		seen[probe[0]] = true
	}
	b.exec(t, `UPDATE breaker SET opened_at = NULL, next_probe_at = NULL`)
	rest := slices.DeleteFunc(slices.Clone(l.ids), func(id int64) bool { return id == probe[0] })
	require.Equal(t, rest, b.feed(t, 10))
}

// One process feeds a site at a time: the others need not wait, and no rename gets two jobs.
func TestFeedAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.loadWith(t, b.params(numbered(200, 200)))
	first := begin(t, b.Pool())
	rows, ok, err := db.Feed(t.Context(), first, b.feedParams(5))
	require.NoError(t, err)
	require.True(t, ok)
	require.Len(t, rows, 5)
	second := begin(t, b.Pool())
	rows, ok, err = db.Feed(t.Context(), second, b.feedParams(5))
	require.NoError(t, err)
	require.False(t, ok)
	require.Empty(t, rows)
	elsewhere := b.elsewhere(t)
	_, ok, err = db.Feed(t.Context(), second, elsewhere.feedParams(5))
	require.NoError(t, err)
	require.True(t, ok, "another site")
	require.NoError(t, first.Rollback(t.Context()))
	require.NoError(t, second.Rollback(t.Context()))

	crowd := pool.New().WithErrors()
	for i := range 8 {
		crowd.Go(func() error {
			for j := range 10 {
				if _, err := b.feedIn(t.Context(), 20*(j+1)+i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, crowd.Wait())
	b.feed(t, 200)
	require.Equal(t, []int{200, 200}, []int{
		value[int](t, b, `SELECT count(*)::int FROM river_job`),
		value[int](t, b, `SELECT count(DISTINCT args->>'rename_id')::int FROM river_job`),
	})
}

// A load queues its first renames in its own transaction.
func TestFeedWithinLoad(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var fed []db.FeedRow
	p := b.params(rowsOf("a", "b", "a", "!c"))
	p.Queue = func(ctx context.Context, tx pgx.Tx) (err error) {
		fed, _, err = db.Feed(ctx, tx, b.feedParams(10))
		return err
	}
	l := b.loadWith(t, p)
	require.Equal(t, []db.FeedRow{{RenameID: l.ids[1], Priority: 2}, {RenameID: l.ids[2], Priority: 2}}, fed)
}

func TestProcess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	age := func() float64 {
		return value[float64](t, b, `SELECT extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 FROM process WHERE id = $1`, process)
	}
	b.beat(t, time.Hour)
	require.InDelta(t, 3600, age(), 60)
	require.NoError(t, b.Beat(t.Context(), db.Process{ID: process}))
	require.InDelta(t, 0, age(), 60)
	require.Equal(t, "work 1 h 7", value[string](t, b, `SELECT concat_ws(' ', command, version, host, pid) FROM process`))

	b.beat(t, 8*24*time.Hour)
	require.NoError(t, b.Beat(t.Context(), db.Process{ID: "p2"}))
	require.Equal(t, []string{"p2"}, list[string](t, b, `SELECT id FROM process`), "long dead ones are forgotten")
	b.beat(t, 8*24*time.Hour)
	require.NoError(t, b.Beat(t.Context(), db.Process{ID: process}), "one that slept for a week lives on")
	require.InDelta(t, 0, age(), 60)
	for range 2 {
		require.NoError(t, b.EndProcess(t.Context(), process))
	}
	require.Equal(t, []string{"p2"}, list[string](t, b, `SELECT id FROM process`))
}

// A process that stands still in the midst of a feed keeps the others from feeding for a while, and not for ever.
func TestFeedThatHangs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(t, "a")
	tx := begin(t, b.Pool())
	feeds := func(tx pgx.Tx) bool {
		_, ok, err := db.Feed(t.Context(), tx, b.feedParams(10))
		require.NoError(t, err)
		return ok
	}
	require.True(t, feeds(tx))
	require.False(t, feeds(begin(t, b.Pool())))
	var most string
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT current_setting('idle_in_transaction_session_timeout')`).Scan(&most))
	require.Equal(t, "10s", most)
	_, err := tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = '10ms'`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		other, err := b.Pool().Begin(t.Context())
		require.NoError(t, err)
		defer other.Rollback(t.Context()) //nolint:errcheck // nothing was written
		return feeds(other)
	}, patience, 10*time.Millisecond)
}
