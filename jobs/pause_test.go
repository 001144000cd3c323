package jobs_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// slack is for a machine that has other things to do.
const slack = 15 * time.Second

// TestPauseAndResume stops a batch, or its site, in mid-run; a restarted pool
// leaves it stopped.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()

	const rows, calls, concurrency = 60, 20, 3
	for _, row := range []struct {
		name string
		set  func(t *testing.T, b *testBundle, batch int64, paused bool)
	}{
		{"batch", func(t *testing.T, b *testBundle, batch int64, paused bool) {
			b.setBatch(t, batch, map[bool]db.BatchStatus{true: "paused", false: "active"}[paused])
		}},
		{"site", func(t *testing.T, b *testBundle, _ int64, paused bool) {
			changed, err := b.PauseSite(t.Context(), b.site.ID, paused)
			require.NoError(t, err)
			require.True(t, changed)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, settings{api: standin.Config{Assets: rows}, concurrency: concurrency, lane: few(calls), times: jobs.DefaultTimes()})
			pool := b.start(t)
			batch := b.load(t, names("new", 0, rows))
			b.untilCalls(t, calls)
			row.set(t, b, batch, true)
			b.lift(t) // those who wait for a grant have it now
			require.Equal(t, calls, b.untilStill(t))
			require.EqualValues(t, calls, b.status(t, batch).Succeeded, "what was sent stays reported")

			stop(t, pool)
			b.lane = few(100_000)
			b.start(t)
			require.Equal(t, calls, b.untilStill(t), "a restart leaves it stopped")

			row.set(t, b, batch, false)
			untilWithin(t, inTime+slack, "calls after the resume", func() bool { return b.api.Calls() > calls })
			b.untilDone(t, batch)
			require.Equal(t, rows, b.api.Calls(), "nothing is sent twice for it")
		})
	}
}

// Without a limit a process holds more jobs than calls. None of them is sent after a pause, however slow the API is:
// only the calls in flight end.
func TestPauseHoldsJobsThatWaitForAPlace(t *testing.T) {
	t.Parallel()
	const rows, concurrency = 200, 20
	b := setup(t, settings{
		api:         standin.Config{Assets: rows, Latency: 2 * time.Second},
		concurrency: concurrency, lane: db.LaneSettings{Window: time.Hour, Fixed: true},
	})
	b.start(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilCalls(t, concurrency)
	b.setBatch(t, batch, db.BatchPaused)
	begun := b.api.Calls()
	require.LessOrEqual(t, b.untilStill(t)-begun, concurrency, "calls after the pause")
}

func (b *testBundle) setBatch(t testing.TB, batch int64, status db.BatchStatus) {
	t.Helper()
	var changed bool
	var err error
	switch status {
	case db.BatchPaused:
		changed, err = b.PauseBatch(t.Context(), batch, nil)
	case db.BatchActive:
		changed, err = b.ResumeBatch(t.Context(), batch)
	default: // as while CancelBatch is at work: the rows are left to the workers
		err = b.Pool().QueryRow(t.Context(), `
			UPDATE batch SET status = 'cancelled', cancelled_at = clock_timestamp(), accepted_to = NULL,
				finished_at = CASE WHEN ended = total THEN clock_timestamp() END
			WHERE id = $1 AND status IN ('active', 'paused') RETURNING true`, batch).Scan(&changed)
	}
	require.NoError(t, err)
	require.True(t, changed)
}

// TestPauseLeavesOthers: the site's next batch goes on while one is paused.
func TestPauseLeavesOthers(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{api: standin.Config{Assets: 40}})
	paused := b.load(t, names("paused", 0, 20))
	b.setBatch(t, paused, "paused")
	other := b.load(t, names("other", 20, 40))
	b.start(t)
	b.untilDone(t, other)
	require.EqualValues(t, 20, b.status(t, paused).Pending)
	require.Equal(t, 20, b.api.Calls())
}

func TestCancel(t *testing.T) {
	t.Parallel()

	const rows, calls = 120, 20
	b := setup(t, settings{api: standin.Config{Assets: rows}, concurrency: 3, lane: few(calls), times: jobs.DefaultTimes()})
	b.start(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilCalls(t, calls)
	b.setBatch(t, batch, "cancelled")
	b.lift(t)
	b.untilBatchWithin(t, inTime+slack, batch, `finished_at IS NOT NULL`)
	require.Equal(t, calls, b.untilStill(t))
	s := b.status(t, batch)
	require.Equal(t, db.BatchCancelled, s.Status)
	require.EqualValues(t, calls, s.Succeeded, "what was sent stays reported")
	require.EqualValues(t, rows-calls, s.Cancelled)
}

// TestCancelInFlight cancels while the only call is on its way: it ends with its
// answer, and what would be sent again is not.
func TestCancelInFlight(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name  string
		fault standin.Fault
		want  string
	}{
		{"that succeeds", standin.Fault{}, "succeeded"},
		{"that fails for now", standin.Hang(), "cancelled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, settings{api: standin.Config{Assets: 1}, callTimeout: 3 * time.Second})
			b.api.FailAsset(standin.AssetID(0), row.fault)
			arrived, open := b.gate(t)
			b.start(t)
			batch := b.load(t, names("new", 0, 1))
			untilArrived(t, arrived)
			b.setBatch(t, batch, "cancelled")
			open()
			b.untilBatch(t, batch, `finished_at IS NOT NULL`)
			require.Equal(t, row.want, b.only(t, batch).Status)
			require.Equal(t, 1, b.untilStill(t))
		})
	}
}

// TestSameFailurePauses has a batch fail for one cause throughout.
func TestSameFailurePauses(t *testing.T) {
	t.Parallel()

	const rows = 330          // below 200 of them are left after the first pause
	b := setup(t, settings{}) // the API has no assets
	b.start(t)
	batch := b.load(t, names("new", 0, rows))
	b.untilBatch(t, batch, `status = 'paused'`)
	calls := b.untilStill(t)
	// The pause is a statement of its own: until it is written, each worker may
	// have finished its call and begun another, some of them twice.
	require.LessOrEqual(t, calls, 200+4*jobs.DefaultConcurrency)
	s := b.status(t, batch)
	require.GreaterOrEqual(t, s.Failed, int64(200))
	require.Equal(t, s.Total, s.Failed+s.Pending)
	require.Regexp(t, `^200 of the last 200 rows failed for the same cause: resource_not_found: `+
		`Requested resource not found: The asset cannot be found \(such as assets [0-9a-f]{24}, [0-9a-f]{24}, [0-9a-f]{24}\)$`,
		deref(s.StatusReason))

	b.setBatch(t, batch, "active")
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Failed, "a resumed batch is given another 200 rows")
}

// TestSameFailureOff is the same with the limit switched off.
func TestSameFailureOff(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{limits: &jobs.Limits{}})
	b.start(t)
	batch := b.load(t, names("new", 0, 220))
	b.untilDone(t, batch)
	require.EqualValues(t, 220, b.status(t, batch).Failed)
}

// TestBreaker takes the API away, and gives it back.
func TestBreaker(t *testing.T) {
	t.Parallel()

	const rows, concurrency, limit = 80, 4, 20
	b := setup(t, settings{api: standin.Config{Assets: rows}, concurrency: concurrency})
	b.api.SetChances(standin.Chance{P: 1, Fault: standin.Gateway(502, "")})
	b.start(t)
	batch := b.load(t, names("new", 0, rows))
	until(t, "the breaker's opening", func() bool { return deref(b.status(t, batch).BreakerError) != "" })
	require.Equal(t, "502 Bad Gateway", deref(b.status(t, batch).BreakerError)[:15])
	b.untilBatch(t, batch, `sending = 0`)
	failures := func() int { return value[int](t, b, `SELECT sum(failures)::int FROM rename`) }
	used, calls := failures(), b.api.Calls()
	require.GreaterOrEqual(t, used, limit)
	require.Less(t, used, limit+concurrency, "what was in flight may have shared the opening's statement")

	b.untilCalls(t, calls+2)
	b.untilBatch(t, batch, `sending = 0`)
	log := b.api.Log()
	probes := log[calls : calls+2]
	require.Greater(t, probes[1].ArrivedAt.Sub(probes[0].ArrivedAt), 3*time.Second, "a probe every 5 s, less its way to the API")
	require.Equal(t, used, failures(), "no attempt is used up while it is open")
	require.EqualValues(t, rows, b.status(t, batch).Pending)

	b.api.SetChances()
	b.hurryUntilDone(t, batch)
	s := b.status(t, batch)
	require.EqualValues(t, rows, s.Succeeded)
	require.Nil(t, s.BreakerError, "closed at the first success")
	require.Equal(t, used, failures())
}

// Rows for which the API always fails don't keep the breaker open for all others.
func TestProbesOtherRows(t *testing.T) {
	t.Parallel()
	const bad, limit = 3, 20
	b := setup(t, settings{api: standin.Config{Assets: 30}, concurrency: 4})
	for i := range bad {
		b.api.FailAsset(standin.AssetID(i), slices.Repeat([]standin.Fault{standin.Gateway(502, "")}, 1000)...)
	}
	b.exec(t, `UPDATE breaker SET opened_at = now(), next_probe_at = now(), failures = $1`, limit)
	batch := b.load(t, names("new", 0, 30))
	b.start(t)
	b.untilBatch(t, batch, fmt.Sprintf(`succeeded = %d`, 30-bad))
}

// Idle reports the end of the last job after its outcome is stored.
func TestIdle(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	batch := b.load(t, names("new", 0, 3))
	pool := b.start(t)
	until(t, "the last job has ended", func() bool {
		<-pool.Idle()
		return b.status(t, batch).Left() == 0
	})
}
