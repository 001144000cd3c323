package schedule

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// A machine that was off comes back: one run is made up for, if it is not too
// late, and what was missed is recorded.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	day, hour := 24*time.Hour, time.Hour
	for name, c := range map[string]struct {
		cron     string
		off      time.Duration // after two in the night of the first
		catchUp  time.Duration
		runs     []scheduledb.RunStatus // with their day
		missed   int
		state    string
		nextAt   time.Duration // likewise
		firstDue time.Duration
	}{
		"on time":             {"0 2 * * *", 0, 12 * hour, []scheduledb.RunStatus{"done"}, 0, "ok", day, 0},
		"1 h":                 {"0 2 * * *", hour, 12 * hour, []scheduledb.RunStatus{"done"}, 0, "ok", day, 0},
		"11 h":                {"0 2 * * *", 11 * hour, 12 * hour, []scheduledb.RunStatus{"done"}, 0, "ok", day, 0},
		"12 h":                {"0 2 * * *", 12 * hour, 12 * hour, []scheduledb.RunStatus{"done"}, 0, "ok", day, 0},
		"13 h":                {"0 2 * * *", 13 * hour, 12 * hour, []scheduledb.RunStatus{"missed"}, 1, "missed", day, 0},
		"3 days and 1 h":      {"0 2 * * *", 3*day + hour, 12 * hour, []scheduledb.RunStatus{"missed", "done"}, 3, "ok", 4 * day, 3 * day},
		"3 days and 13 h":     {"0 2 * * *", 3*day + 13*hour, 12 * hour, []scheduledb.RunStatus{"missed"}, 4, "missed", 4 * day, 0},
		"no catching up":      {"0 2 * * *", 2 * time.Minute, 0, []scheduledb.RunStatus{"missed"}, 1, "missed", day, 0},
		"late for a moment":   {"0 2 * * *", 20 * time.Second, 0, []scheduledb.RunStatus{"done"}, 0, "ok", day, 0},
		"every hour, 5 h off": {"0 * * * *", 5*hour + time.Minute, 12 * hour, []scheduledb.RunStatus{"missed", "done"}, 5, "ok", 6 * hour, 5 * hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 3)
			b.write(0, 3)
			b.add(func(s *scheduledb.Schedule) { s.Cron, s.CatchUp = c.cron, c.catchUp })
			last := c.runs[len(c.runs)-1]
			run := b.run(at2(1).Add(c.off), last)
			runs := b.runs()
			require.Len(t, runs, len(c.runs))
			for i, want := range c.runs {
				require.Equal(t, want, runs[i].Status)
			}
			require.True(t, at2(1).Add(c.firstDue).Equal(run.DueAt), "%s", run.DueAt)
			if c.missed > 0 {
				require.Equal(t, c.missed, runs[0].Missed)
				require.True(t, at2(1).Equal(runs[0].DueAt))
			}
			require.Equal(t, c.state, b.schedule().State)
			require.True(t, at2(1).Add(c.nextAt).Equal(*b.schedule().NextRunAt), "%s", b.schedule().NextRunAt)
			b.turn()
			require.Len(t, b.runs(), len(c.runs), "nothing comes twice")
		})
	}
}

// block keeps a run from ending: one of its calls waits for its back-off.
func (b *testBundle) block() {
	b.t.Helper()
	_, err := b.PauseSite(b.t.Context(), b.site.ID, true)
	require.NoError(b.t, err)
}

func (b *testBundle) unblock() {
	b.t.Helper()
	_, err := b.PauseSite(b.t.Context(), b.site.ID, false)
	require.NoError(b.t, err)
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		overlap      string
		while, atEnd []string
	}{
		{"skip", []string{"reading", "skipped", "skipped"}, []string{"done", "skipped", "skipped"}},
		{"queue", []string{"reading", "waiting", "skipped"}, []string{"done", "done", "skipped"}},
		{"cancel", []string{"cancelled", "cancelled", "reading"}, []string{"cancelled", "cancelled", "done"}},
	} {
		t.Run(c.overlap, func(t *testing.T) {
			t.Parallel()
			b := setup(t, 3)
			b.write(0, 3)
			b.add(func(s *scheduledb.Schedule) { s.Overlap = c.overlap })
			b.block()
			statuses := func() (list []string) {
				for _, r := range b.runs() {
					list = append(list, string(r.Status))
				}
				return list
			}
			for day := 1; day <= 3; day++ {
				b.clock.set(at2(day))
				b.turn()
			}
			require.Equal(t, c.while, statuses())
			b.unblock()
			b.until("all have ended", func() bool {
				got := statuses()
				for i := range got {
					if got[i] != c.atEnd[i] {
						return false
					}
				}
				return true
			})
			require.Equal(t, 3, b.calls()["PATCH"])
			require.Equal(t, "ok", b.schedule().State)
		})
	}
}

// A run that is sending is cancelled with its batch, and the newer one sends what
// is left.
func TestOverlapCancelsWhatIsSent(t *testing.T) {
	t.Parallel()
	b := setup(t, 40)
	b.write(0, 40)
	b.add(func(s *scheduledb.Schedule) { s.Overlap = "cancel" })
	b.api.FailAsset(standin.AssetID(5), standin.Status(500), standin.Status(500), standin.Status(500), standin.Status(500),
		standin.Status(500), standin.Status(500), standin.Status(500), standin.Status(500))
	sending := b.run(at2(1), "sending")
	b.until("only the one is left", func() bool {
		st, err := records.Batch(t.Context(), b.DB, *sending.Batch)
		require.NoError(t, err)
		return st.Left() == 1
	})
	b.clock.set(at2(2))
	b.turn()
	require.Equal(t, scheduledb.RunCancelled, b.runs()[0].Status)
	require.Equal(t, int64(39), b.runs()[0].Renamed)
	st, err := records.Batch(t.Context(), b.DB, *sending.Batch)
	require.NoError(t, err)
	require.Equal(t, db.BatchCancelled, st.Status)
	b.until("the newer one has its plan", func() bool { return b.last().Different > 0 })
	require.Equal(t, int64(1), b.last().Different)
}

// Four processes take their turns at once, again and again: each run is started
// once, by one of them, and worked once.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	const nights = 6
	b := setup(t, 3)
	b.write(0, 3)
	b.add(func(s *scheduledb.Schedule) { s.Overlap = "queue" })
	runners := []*Runner{b.runner, b.another(), b.another(), b.another()}
	var failed atomic.Pointer[error]
	for night := 1; night <= nights; night++ {
		b.clock.set(at2(night))
		var all conc.WaitGroup
		for _, r := range runners {
			all.Go(func() {
				for range 5 {
					if _, err := r.Turn(context.WithoutCancel(t.Context())); err != nil {
						failed.Store(&err)
					}
				}
			})
		}
		all.Wait()
		b.until("the night is over", func() bool { return b.last().Status == "done" })
		require.Len(t, b.runs(), night)
	}
	require.Nil(t, failed.Load())
	require.Equal(t, map[string]int{"GET": nights, "PATCH": 3}, b.calls())
	var batches int
	require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT last_value FROM batch_id_seq`).Scan(&batches))
	require.Equal(t, nights, batches, "one was loaded a night")
}

// A paused schedule leaves out what is due, and goes on from its next time; it
// runs all the same when somebody says so.
func TestPausedSchedule(t *testing.T) {
	t.Parallel()
	b := setup(t, 3)
	b.write(0, 3)
	s := b.add(nil)
	_, err := scheduledb.Pause(t.Context(), b.DB, s.ID, "")
	require.NoError(t, err)
	b.clock.set(at2(1).Add(time.Hour))
	b.turn()
	require.Empty(t, b.runs())
	run, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
	require.NoError(t, err)
	b.until("it has run", func() bool { return b.last().Status == "done" })
	require.Equal(t, run.Run, b.last().Run)
	_, err = scheduledb.Resume(t.Context(), b.DB, s.ID, at2(2))
	require.NoError(t, err)
	b.turn()
	require.Len(t, b.runs(), 1)
	b.run(at2(2), "done")
	require.Len(t, b.runs(), 2)
}

// A schedule that is removed in the middle of a run leaves nothing behind that
// would be sent.
func TestRemovedSchedule(t *testing.T) {
	t.Parallel()
	b := setup(t, 30)
	b.write(0, 30)
	limit := "0"
	s := b.add(func(s *scheduledb.Schedule) { s.MaxChange = &limit })
	held := b.run(at2(1), "held")
	require.NoError(t, scheduledb.Remove(t.Context(), b.DB, s.ID))
	st, err := records.Batch(t.Context(), b.DB, *held.Batch)
	require.NoError(t, err)
	require.Equal(t, db.BatchCancelled, st.Status)
	b.turn()
	require.Zero(t, b.calls()["PATCH"])
}
