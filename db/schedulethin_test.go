package db_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
)

// ran records a run of a schedule that has ended, and whose batch that is.
func (b *testBundle) ran(t tb, s db.Schedule, batch int64) int64 {
	t.Helper()
	return value[int64](t, b, `
		INSERT INTO schedule_run (schedule_id, due_at, status, batch_id, applied_at, finished_at)
		VALUES ($1, now(), 'done', $2, now(), now()) RETURNING id`, s.ID, batch)
}

// asWanted is a night that finds the site as its source wants it.
func (b *testBundle) asWanted(t tb, s db.Schedule, wishes ...wish) loaded {
	t.Helper()
	l, states := b.plan(t, wishes...), map[string][2]string{}
	for _, w := range wishes {
		states[w.target] = [2]string{w.name, ""}
	}
	b.compare(t, l.batch, states)
	b.apply(t, l.batch)
	b.ran(t, s, l.batch)
	return l
}

func (b *testBundle) tidy(t tb) {
	t.Helper()
	for at, more := (db.Thinning{}), true; more; {
		var err error
		at, more, err = b.TidyRuns(t.Context(), b.site.ID, at)
		require.NoError(t, err)
	}
}

func (b *testBundle) nightly(t testing.TB) db.Schedule {
	t.Helper()
	return b.addSchedule(t, "nightly", time.Now().Add(time.Hour), nil)
}

// A row that was as wanted stands for what its target holds until a newer one
// does. A night that does not name the target is none: without the row a retry of
// an older rename would put the older name back.
func TestThinningKeepsWhatNoNewerRowStandsFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	old := b.load(t, "a")
	b.settle(t, old.ids[0], "failed")
	first := b.asWanted(t, s, wish{target: "a", name: "new"}, wish{target: "b", name: "x"})
	b.asWanted(t, s, wish{target: "b", name: "x"})
	b.tidy(t)
	got, err := b.RetryBatch(t.Context(), db.RowFilter{Batch: old.batch, Statuses: []db.RowStatus{"failed"}})
	require.NoError(t, err)
	require.Equal(t, db.Retried{Superseded: 1}, got, "a has a newer name")
	require.Equal(t, "unchanged", b.statuses(t, first.batch), "b is looked at again, a is not")
	b.requireCountsAddUp(t)
}

// A newer row that was never sent, and now never will, stands for nothing.
func TestThinningHeedsWhatWasSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	first := b.asWanted(t, s, wish{target: "a", name: "new"}, wish{target: "b", name: "new"}, wish{target: "c", name: "new"})
	second := b.load(t, "a", "b", "c")
	b.settle(t, second.ids[0], "succeeded")
	b.settle(t, second.ids[1], "failed")
	b.setBatch(t, second.batch, "cancelled")
	_, err := b.CancelOpen(t.Context(), b.site.ID, 10)
	require.NoError(t, err)
	b.ran(t, s, second.batch)
	b.tidy(t)
	require.Equal(t, []string{"c"}, list[string](t, b, `SELECT asset_id FROM rename WHERE batch_id = $1`, first.batch))
	b.requireCountsAddUp(t)
}

// What comes back into the source after a night without it is thinned all the
// same, and a batch that is empty by then is gone.
func TestThinningComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	first := b.asWanted(t, s, wish{target: "a", name: "new"})
	b.asWanted(t, s, wish{target: "b", name: "x"})
	b.tidy(t)
	require.Equal(t, "unchanged", b.statuses(t, first.batch))
	b.asWanted(t, s, wish{target: "a", name: "new"}, wish{target: "b", name: "x"})
	b.tidy(t)
	require.Equal(t, 2, value[int](t, b, `SELECT count(*)::int FROM rename`), "those of the last night")
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM batch`))
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM schedule_run WHERE batch_id IS NOT NULL`))
	require.Equal(t, 3, value[int](t, b, `SELECT count(*)::int FROM schedule_run`), "the history stays")
}

// A plan that somebody is at work with keeps nobody waiting: it is dropped the
// next time, and its rows end with the feed.
func TestPlansAreDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	busy, idle := b.plan(t, wish{target: "a", name: "new"}), b.plan(t, wish{target: "b", name: "new"})
	for _, l := range []loaded{busy, idle} {
		b.exec(t, `
			INSERT INTO schedule_run (schedule_id, due_at, status, batch_id, finished_at, drops_plan)
			VALUES ($1, now(), 'failed', $2, now(), true)`, s.ID, l.batch)
	}
	tx := begin(t, b.Pool())
	_, err := tx.Exec(t.Context(), `SELECT FROM batch WHERE id = $1 FOR UPDATE`, busy.batch)
	require.NoError(t, err)
	b.tidy(t)
	require.Equal(t, db.BatchCancelled, b.status(t, idle.batch).Status)
	require.Equal(t, db.BatchPlanned, b.status(t, busy.batch).Status)
	require.NoError(t, tx.Rollback(t.Context()))
	b.tidy(t)
	require.Equal(t, db.BatchCancelled, b.status(t, busy.batch).Status)
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM schedule_run WHERE drops_plan`))
	_, err = b.CancelOpen(t.Context(), b.site.ID, 10)
	require.NoError(t, err)
	require.Equal(t, "cancelled", b.statuses(t, busy.batch))
	b.requireCountsAddUp(t)
}
