package scheduledb_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
)

// ran records a run of a schedule that has ended, and whose batch that is.
func (b *testBundle) ran(t testing.TB, s scheduledb.Schedule, batch int64) int64 {
	t.Helper()
	return dbtest.Value[int64](t, b, `
		INSERT INTO schedule_run (schedule_id, due_at, status, batch_id, applied_at, finished_at)
		VALUES ($1, now(), 'done', $2, now(), now()) RETURNING id`, s.ID, batch)
}

func (b *testBundle) tidy(t testing.TB) {
	t.Helper()
	for at, more := (scheduledb.Thinning{}), true; more; {
		var err error
		at, more, err = scheduledb.TidyRuns(t.Context(), b.DB, b.site.ID, at)
		require.NoError(t, err)
	}
}

func (b *testBundle) nightly(t testing.TB) scheduledb.Schedule {
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
	dbtest.Settle(t, b.DB, old.IDs[0], "failed")
	first := b.asWanted(t, s, "a=new", "b=x")
	b.asWanted(t, s, "b=x")
	b.tidy(t)
	got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: old.Batch, Statuses: []db.RowStatus{"failed"}}, nil)
	require.NoError(t, err)
	require.Equal(t, db.Retried{Superseded: 1}, got, "a has a newer name")
	require.Equal(t, "unchanged", b.statuses(t, first.Batch), "b is looked at again, a is not")
	dbtest.RequireCountsAddUp(t, b)
}

// A newer row that was never sent, and now never will, stands for nothing.
func TestThinningHeedsWhatWasSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	first := b.asWanted(t, s, "a=new", "b=new", "c=new")
	second := b.load(t, "a", "b", "c")
	dbtest.Settle(t, b.DB, second.IDs[0], "succeeded")
	dbtest.Settle(t, b.DB, second.IDs[1], "failed")
	require.NoError(t, pgx.BeginFunc(t.Context(), b.Pool(), func(tx pgx.Tx) error {
		return db.CancelBatches(t.Context(), tx, []int64{second.Batch}, "not wanted")
	}))
	_, _, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	b.ran(t, s, second.Batch)
	b.tidy(t)
	require.Equal(t, []string{"c"}, dbtest.List[string](t, b, `SELECT asset_id FROM rename WHERE batch_id = $1`, first.Batch))
	dbtest.RequireCountsAddUp(t, b)
}

// What comes back into the source after a night without it is thinned all the
// same, and a batch that is empty by then is gone.
func TestThinningComesBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	first := b.asWanted(t, s, "a=new")
	b.asWanted(t, s, "b=x")
	b.tidy(t)
	require.Equal(t, "unchanged", b.statuses(t, first.Batch))
	b.asWanted(t, s, "a=new", "b=x")
	b.tidy(t)
	require.Equal(t, 2, dbtest.Value[int](t, b, `SELECT count(*)::int FROM rename`), "those of the last night")
	require.Equal(t, 1, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
	require.Equal(t, 1, dbtest.Value[int](t, b, `SELECT count(*)::int FROM schedule_run WHERE batch_id IS NOT NULL`))
	require.Equal(t, 3, dbtest.Value[int](t, b, `SELECT count(*)::int FROM schedule_run`), "the history stays")
}

// A plan that somebody is at work with keeps nobody waiting: it is dropped the
// next time, and its rows end with the feed.
func TestPlansAreDropped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	busy, idle := b.plan(t, "a=new"), b.plan(t, "b=new")
	for _, l := range []dbtest.Loaded{busy, idle} {
		dbtest.Exec(t, b, `
			INSERT INTO schedule_run (schedule_id, due_at, status, batch_id, finished_at, drops_plan)
			VALUES ($1, now(), 'failed', $2, now(), true)`, s.ID, l.Batch)
	}
	tx := dbtest.Begin(t, b)
	_, err := tx.Exec(t.Context(), `SELECT FROM batch WHERE id = $1 FOR UPDATE`, busy.Batch)
	require.NoError(t, err)
	b.tidy(t)
	require.Equal(t, db.BatchCancelled, b.batchStatus(t, idle.Batch))
	require.Equal(t, db.BatchPlanned, b.batchStatus(t, busy.Batch))
	require.NoError(t, tx.Rollback(t.Context()))
	b.tidy(t)
	require.Equal(t, db.BatchCancelled, b.batchStatus(t, busy.Batch))
	require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM schedule_run WHERE drops_plan`))
	_, _, err = b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Equal(t, "cancelled", b.statuses(t, busy.Batch))
	dbtest.RequireCountsAddUp(t, b)
}
