package scheduledb_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/schedule/scheduledb"
)

// atWork is a run of a schedule that this process has claimed, and whose plan is
// compared.
func (b *testBundle) atWork(t testing.TB, s scheduledb.Schedule, targets ...string) scheduledb.RunWork {
	t.Helper()
	w := b.loading(t, s, targets...)
	require.NoError(t, scheduledb.RunCompared(t.Context(), b.DB, w, scheduledb.ComparedParams{}))
	return w
}

// loading is a run that has loaded its source.
func (b *testBundle) loading(t testing.TB, s scheduledb.Schedule, targets ...string) scheduledb.RunWork {
	t.Helper()
	run, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
	require.NoError(t, err)
	w, _, ok, err := scheduledb.ClaimRun(t.Context(), b.DB, scheduledb.ClaimRunParams{RunID: run.Run, ProcessID: process, Now: time.Now()})
	require.NoError(t, err)
	require.True(t, ok)
	p := dbtest.Params(b.site.ID, dbtest.Rows(targets...))
	p.Planned = true
	p.Stored = func(ctx context.Context, tx pgx.Tx, id int64) error {
		w.BatchID = &id
		return scheduledb.RunLoaded(ctx, tx, w, id, 0, "")
	}
	dbtest.Load(t, b.DB, p)
	return w
}

// applyRun applies a run's plan as its worker does; before is called before the
// commit.
func (b *testBundle) applyRun(ctx context.Context, w scheduledb.RunWork, before func()) error {
	return b.Apply(ctx, db.ApplyParams{BatchID: *w.BatchID, Lock: func(ctx context.Context, tx pgx.Tx) error { return scheduledb.LockRun(ctx, tx, w) }, Queue: func(ctx context.Context, tx pgx.Tx) error {
		if err := scheduledb.RunApplied(ctx, tx, w); err != nil {
			return err
		}
		before()
		return nil
	}})
}

// A newer run cancels an earlier one in the moment in which that begins to send:
// whichever was first, nothing of a run that is called cancelled goes on.
func TestCancelledWhileItIsApplied(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.addSchedule(t, "nightly", time.Now().Add(time.Hour), func(s *scheduledb.Schedule) { s.Overlap = "cancel" })
	w := b.atWork(t, s, "a", "b")
	applied, commit := make(chan struct{}), make(chan struct{})
	both := pool.New().WithErrors()
	both.Go(func() error {
		return b.applyRun(t.Context(), w, func() {
			close(applied)
			<-commit
		})
	})
	<-applied
	both.Go(func() error {
		_, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
		return err
	})
	dbtest.RequireBlocked(t, b, 1)
	close(commit)
	require.NoError(t, both.Wait())
	run, err := scheduledb.RunByID(t.Context(), b.DB, w.RunID)
	require.NoError(t, err)
	require.Equal(t, scheduledb.RunCancelled, run.Status)
	require.Equal(t, db.BatchCancelled, b.batchStatus(t, *w.BatchID))

	late := b.atWork(t, s, "a", "b") // which cancels the run that took its place
	_, err = scheduledb.RunNow(t.Context(), b.DB, s.ID)
	require.NoError(t, err)
	require.ErrorIs(t, b.applyRun(t.Context(), late, func() {}), scheduledb.ErrRunLost)
	require.Equal(t, db.BatchPlanned, b.batchStatus(t, *late.BatchID))
}

// Whoever cancels waits for a batch of the run only once it has the run, and who
// applies has the run before the batch: so neither waits for the other in a circle.
func TestCancellingAndApplyingMeet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.addSchedule(t, "nightly", time.Now().Add(time.Hour), func(s *scheduledb.Schedule) { s.Overlap = "cancel" })
	w := b.atWork(t, s, "a")
	site := dbtest.Begin(t, b)
	_, err := site.Exec(t.Context(), `SELECT FROM acceptance WHERE site_id = $1 FOR UPDATE`, b.site.ID)
	require.NoError(t, err)
	both := pool.New().WithErrors()
	both.Go(func() error { return b.applyRun(t.Context(), w, func() {}) })
	dbtest.RequireBlocked(t, b, 1)
	both.Go(func() error {
		_, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
		return err
	})
	dbtest.RequireBlocked(t, b, 2)
	require.NoError(t, site.Rollback(t.Context()))
	require.NoError(t, both.Wait())
	require.Equal(t, db.BatchCancelled, b.batchStatus(t, *w.BatchID), "it was applied first")
	require.Equal(t, []string{"cancelled", "reading"}, dbtest.List[string](t, b, `SELECT status FROM schedule_run ORDER BY id`))
}

// A plan that waited for a person and was applied is sent, also where a newer run
// is compared in that moment, before a turn has seen it.
func TestAppliedByHandIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	held := b.loading(t, s, "a")
	require.NoError(t, scheduledb.RunCompared(t.Context(), b.DB, held, scheduledb.ComparedParams{Held: "too many rows"}))
	newer := b.loading(t, s, "b")
	applied, commit := make(chan struct{}), make(chan struct{})
	hand := pool.New().WithErrors()
	hand.Go(func() error {
		return b.Apply(t.Context(), db.ApplyParams{BatchID: *held.BatchID, Queue: func(context.Context, pgx.Tx) error {
			close(applied)
			<-commit
			return nil
		}})
	})
	<-applied
	require.NoError(t, scheduledb.RunCompared(t.Context(), b.DB, newer, scheduledb.ComparedParams{}), "and it does not wait")
	close(commit)
	require.NoError(t, hand.Wait())
	_, err := scheduledb.TendRuns(t.Context(), b.DB, db.LostRunsParams{
		SiteID: b.site.ID, Now: time.Now(), ProcessID: process,
	}, noRuns)
	require.NoError(t, err)
	require.Equal(t, []string{"sending", "reading"}, dbtest.List[string](t, b, `SELECT status FROM schedule_run ORDER BY id`))
}

// A process that stood still while its run went on elsewhere changes nothing of it.
func TestLateStepsOfARun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late := b.atWork(t, b.nightly(t), "a")
	now, _, ok, err := scheduledb.ClaimRun(t.Context(), b.DB, scheduledb.ClaimRunParams{RunID: late.RunID, ProcessID: "p2", Now: time.Now()})
	require.NoError(t, err)
	require.True(t, ok, "the first process is not alive")
	for name, step := range map[string]func() error{
		"page": func() error { return scheduledb.SavePass(t.Context(), b.DB, late, []byte("{}"), 99) },
		"compared": func() error {
			return scheduledb.RunCompared(t.Context(), b.DB, late, scheduledb.ComparedParams{Reads: 99, Held: "late"})
		},
		"applied":  func() error { return b.applyRun(t.Context(), late, func() {}) },
		"failed":   func() error { return scheduledb.FailRun(t.Context(), b.DB, late, "late") },
		"retried":  func() error { return scheduledb.RetryRun(t.Context(), b.DB, late, time.Now(), "late") },
		"released": func() error { return scheduledb.ReleaseRun(t.Context(), b.DB, late) },
	} {
		require.ErrorIs(t, step(), scheduledb.ErrRunLost, name)
	}
	run, err := scheduledb.RunByID(t.Context(), b.DB, late.RunID)
	require.NoError(t, err)
	require.Equal(t, scheduledb.RunReading, run.Status)
	require.Nil(t, run.Error)
	require.Zero(t, run.Reads)
	require.Equal(t, "p2", dbtest.Value[string](t, b, `SELECT process_id FROM schedule_run`))
	require.Equal(t, db.BatchPlanned, b.batchStatus(t, *late.BatchID))
	require.NoError(t, b.applyRun(t.Context(), now, func() {}), "the other process goes on")
}
