package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// atWork is a run of a schedule that this process has claimed, and whose plan is
// compared.
func (b *testBundle) atWork(t testing.TB, s db.Schedule, targets ...string) db.RunWork {
	t.Helper()
	w := b.loading(t, s, targets...)
	require.NoError(t, b.RunCompared(t.Context(), w, db.ComparedParams{}))
	return w
}

// loading is a run that has loaded its source.
func (b *testBundle) loading(t testing.TB, s db.Schedule, targets ...string) db.RunWork {
	t.Helper()
	run, err := b.RunNow(t.Context(), s.ID)
	require.NoError(t, err)
	w, _, ok, err := b.ClaimRun(t.Context(), db.ClaimRunParams{RunID: run.Run, ProcessID: process, Now: time.Now()})
	require.NoError(t, err)
	require.True(t, ok)
	p := b.params(rowsOf(targets...))
	p.Planned = true
	p.Stored = func(ctx context.Context, tx pgx.Tx, id int64) error {
		w.BatchID = &id
		return db.RunLoaded(ctx, tx, w, id, 0, "")
	}
	b.loadWith(t, p)
	return w
}

// applyRun applies a run's plan as its worker does; before is called before the
// commit.
func (b *testBundle) applyRun(ctx context.Context, w db.RunWork, before func()) error {
	return b.Apply(ctx, db.ApplyParams{BatchID: *w.BatchID, Lock: func(ctx context.Context, tx pgx.Tx) error { return db.LockRun(ctx, tx, w) }, Queue: func(ctx context.Context, tx pgx.Tx) error {
		if err := db.RunApplied(ctx, tx, w); err != nil {
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
	s := b.addSchedule(t, "nightly", time.Now().Add(time.Hour), func(s *db.Schedule) { s.Overlap = "cancel" })
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
		_, err := b.RunNow(t.Context(), s.ID)
		return err
	})
	b.requireBlocked(t, 1)
	close(commit)
	require.NoError(t, both.Wait())
	run, err := b.RunByID(t.Context(), w.RunID)
	require.NoError(t, err)
	require.Equal(t, db.RunCancelled, run.Status)
	require.Equal(t, db.BatchCancelled, b.status(t, *w.BatchID).Status)

	late := b.atWork(t, s, "a", "b") // which cancels the run that took its place
	_, err = b.RunNow(t.Context(), s.ID)
	require.NoError(t, err)
	require.ErrorIs(t, b.applyRun(t.Context(), late, func() {}), db.ErrRunLost)
	require.Equal(t, db.BatchPlanned, b.status(t, *late.BatchID).Status)
}

// Whoever cancels waits for a batch of the run only once it has the run, and who
// applies has the run before the batch: so neither waits for the other in a circle.
func TestCancellingAndApplyingMeet(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.addSchedule(t, "nightly", time.Now().Add(time.Hour), func(s *db.Schedule) { s.Overlap = "cancel" })
	w := b.atWork(t, s, "a")
	site := begin(t, b.Pool())
	_, err := site.Exec(t.Context(), `SELECT FROM acceptance WHERE site_id = $1 FOR UPDATE`, b.site.ID)
	require.NoError(t, err)
	both := pool.New().WithErrors()
	both.Go(func() error { return b.applyRun(t.Context(), w, func() {}) })
	b.requireBlocked(t, 1)
	both.Go(func() error {
		_, err := b.RunNow(t.Context(), s.ID)
		return err
	})
	b.requireBlocked(t, 2)
	require.NoError(t, site.Rollback(t.Context()))
	require.NoError(t, both.Wait())
	require.Equal(t, db.BatchCancelled, b.status(t, *w.BatchID).Status, "it was applied first")
	require.Equal(t, []string{"cancelled", "reading"}, list[string](t, b, `SELECT status FROM schedule_run ORDER BY id`))
}

// A plan that waited for a person and was applied is sent, also where a newer run
// is compared in that moment, before a turn has seen it.
func TestAppliedByHandIsNotReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.nightly(t)
	held := b.loading(t, s, "a")
	require.NoError(t, b.RunCompared(t.Context(), held, db.ComparedParams{Held: "too many rows"}))
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
	require.NoError(t, b.RunCompared(t.Context(), newer, db.ComparedParams{}), "and it does not wait")
	close(commit)
	require.NoError(t, hand.Wait())
	_, err := b.TendRuns(t.Context(), db.LostRunsParams{
		SiteID: b.site.ID, Now: time.Now(), ProcessID: process,
	}, func(context.Context, pgx.Tx, []db.QueueRun) error { return nil })
	require.NoError(t, err)
	require.Equal(t, []string{"sending", "reading"}, list[string](t, b, `SELECT status FROM schedule_run ORDER BY id`))
}

// A process that stood still while its run went on elsewhere changes nothing of it.
func TestLateStepsOfARun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	late := b.atWork(t, b.nightly(t), "a")
	now, _, ok, err := b.ClaimRun(t.Context(), db.ClaimRunParams{RunID: late.RunID, ProcessID: "p2", Now: time.Now()})
	require.NoError(t, err)
	require.True(t, ok, "the first process is not alive")
	for name, step := range map[string]func() error{
		"page":     func() error { return b.SavePass(t.Context(), late, []byte("{}"), 99) },
		"compared": func() error { return b.RunCompared(t.Context(), late, db.ComparedParams{Reads: 99, Held: "late"}) },
		"applied":  func() error { return b.applyRun(t.Context(), late, func() {}) },
		"failed":   func() error { return b.FailRun(t.Context(), late, "late") },
		"retried":  func() error { return b.RetryRun(t.Context(), late, time.Now(), "late") },
		"released": func() error { return b.ReleaseRun(t.Context(), late) },
	} {
		require.ErrorIs(t, step(), db.ErrRunLost, name)
	}
	run, err := b.RunByID(t.Context(), late.RunID)
	require.NoError(t, err)
	require.Equal(t, db.RunReading, run.Status)
	require.Nil(t, run.Error)
	require.Zero(t, run.Reads)
	require.Equal(t, "p2", value[string](t, b, `SELECT process_id FROM schedule_run`))
	require.Equal(t, db.BatchPlanned, b.status(t, *late.BatchID).Status)
	require.NoError(t, b.applyRun(t.Context(), now, func() {}), "the other process goes on")
}
