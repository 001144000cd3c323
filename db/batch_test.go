package db_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
)

func TestChangeBatch(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		steps   []string
		changed bool // by the last one
		status  db.BatchStatus
	}{
		"pause":                  {[]string{"paused"}, true, "paused"},
		"pause twice":            {[]string{"paused", "paused"}, false, "paused"},
		"resume":                 {[]string{"paused", "active"}, true, "active"},
		"resume what runs":       {[]string{"active"}, false, "active"},
		"cancel":                 {[]string{"cancelled"}, true, "cancelled"},
		"cancel what is paused":  {[]string{"paused", "cancelled"}, true, "cancelled"},
		"resume what is at rest": {[]string{"cancelled", "active"}, false, "cancelled"},
		"pause what is at rest":  {[]string{"cancelled", "paused"}, false, "cancelled"},
		"pause what is done":     {[]string{"done", "paused"}, false, "done"},
		"cancel what is done":    {[]string{"done", "cancelled"}, false, "done"},
		"cancel what is planned": {[]string{"planned", "cancelled"}, false, "planned"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a")
			var changed bool
			for _, s := range tt.steps {
				switch s {
				case "done":
					b.settle(t, l.ids[0], "succeeded")
				case "planned":
					b.exec(t, `UPDATE batch SET status = 'planned' WHERE id = $1`, l.batch)
				default:
					changed = b.setBatch(t, l.batch, db.BatchStatus(s))
				}
			}
			require.Equal(t, tt.changed, changed)
			require.Equal(t, tt.status, b.status(t, l.batch).Status)
		})
	}
}

func TestPauseBatchKeepsReason(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a")
	_, err := b.PauseBatch(t.Context(), l.batch, ptr("too many 404s"))
	require.NoError(t, err)
	require.Equal(t, "too many 404s", *b.status(t, l.batch).StatusReason)
	b.setBatch(t, l.batch, "active")
	require.Nil(t, b.status(t, l.batch).StatusReason)
}

// What can't be done is said, with the status that the batch has.
func TestChangeBatchRefuses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a")
	b.settle(t, l.ids[0], "succeeded")
	for wanted, change := range map[db.BatchStatus]func(int64) (bool, error){
		db.BatchPaused:    func(id int64) (bool, error) { return b.PauseBatch(t.Context(), id, nil) },
		db.BatchActive:    func(id int64) (bool, error) { return b.ResumeBatch(t.Context(), id) },
		db.BatchCancelled: func(id int64) (bool, error) { return b.CancelBatch(t.Context(), id, nil) },
	} {
		changed, err := change(l.batch)
		require.False(t, changed)
		require.Equal(t, &db.BatchStateError{Batch: l.batch, Status: db.BatchDone, Wanted: wanted}, err)
		require.EqualError(t, err, fmt.Sprintf("batch %d is done and can't be %s", l.batch, map[db.BatchStatus]string{"paused": "paused", "active": "resumed", "cancelled": "cancelled"}[wanted]))
		_, err = change(99)
		require.ErrorAs(t, err, new(db.NoBatchError))
	}
}

// Whatever cancels a batch, it leaves one event that says why.
func TestCancelEvents(t *testing.T) {
	t.Parallel()
	all := setup(t)
	for name, tt := range map[string]struct {
		cancel func(t *testing.T, b *testBundle, l loaded)
		detail string
		plan   bool
	}{
		"a person": {func(t *testing.T, b *testBundle, l loaded) {
			_, err := b.CancelBatch(t.Context(), l.batch, nil)
			require.NoError(t, err)
		}, "", false},
		"an API that is gone": {func(t *testing.T, b *testBundle, _ loaded) {
			require.NoError(t, b.Abandon(t.Context(), b.site.ID, "its API is gone"))
		}, "its API is gone", false},
		"a plan that is discarded": {func(t *testing.T, b *testBundle, l loaded) {
			require.NoError(t, b.Discard(t.Context(), l.batch))
		}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			p := b.params(rowsOf("a", "b"))
			p.Planned = tt.plan
			l := b.loadWith(t, p)
			tt.cancel(t, b, l)
			require.Equal(t, db.BatchCancelled, b.status(t, l.batch).Status)
			require.Equal(t, []string{"batch cancelled: " + tt.detail}, list[string](t, b, `
				SELECT kind || ': ' || coalesce(detail, '') FROM event WHERE batch_id = $1`, l.batch))
			require.Equal(t, "cancelled cancelled", b.statuses(t, l.batch))
			b.requireCountsAddUp(t)
		})
	}
}

// A cancelled batch ends row by row, in any portions; what was sent stays as it was, calls in flight end by themselves.
func TestCancelOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d", "e", "f", "!g")
	other := b.load(t, "x")
	b.settle(t, l.ids[0], "succeeded")
	b.delay(t, l.ids[1])
	inFlight := b.mustClaim(t, l.ids[2])
	b.lose(t, loaded{l.batch, l.ids[3:]})

	_, _, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.EqualValues(t, 4, b.status(t, l.batch).Pending+b.status(t, l.batch).Sending-1, "nothing is cancelled yet")

	require.True(t, b.setBatch(t, l.batch, "cancelled"))
	b.EndInChunksOf(2)
	for range 2 {
		_, _, err := b.CancelOpen(t.Context(), b.site.ID)
		require.NoError(t, err)
		b.requireCountsAddUp(t)
	}
	require.Equal(t, "succeeded cancelled sending cancelled cancelled cancelled invalid", b.statuses(t, l.batch))
	require.Nil(t, b.status(t, l.batch).FinishedAt)
	_, n, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Zero(t, n)
	b.finish(t, answer(inFlight, "succeeded"))
	require.Equal(t, "succeeded cancelled succeeded cancelled cancelled cancelled invalid", b.statuses(t, l.batch))
	require.NotNil(t, b.status(t, l.batch).FinishedAt)
	require.Equal(t, db.BatchCancelled, b.status(t, l.batch).Status)
	require.Equal(t, "pending", b.statuses(t, other.batch))
	b.requireCountsAddUp(t)
}

func TestCancelOpenTellsHowManyRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one, two := b.load(t, "a", "b"), b.load(t, "c", "d", "e")
	b.setBatch(t, one.batch, "cancelled")
	b.setBatch(t, two.batch, "cancelled")
	b.EndInChunksOf(4)
	_, n, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	_, n, err = b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	b.requireCountsAddUp(t)
}

// Two processes end the rows of a cancelled batch. If one of them waits for the other's
// rows and finds them ended, it continues with the next rows.
func TestEndCancelledBesideAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.EndInChunksOf(2)
	l := b.load(t, "a", "b", "c", "d", "e")
	b.setBatch(t, l.batch, "cancelled")
	tx := begin(t, b.Pool())
	_, err := tx.Exec(t.Context(), db.LockRenamesSQL, pgx.NamedArgs{"rename_ids": l.ids[:2]})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- b.EndCancelled(t.Context(), b.site.ID) }()
	b.requireBlocked(t, 1)
	_, err = tx.Exec(t.Context(), db.StatementText("end_cancelled"), pgx.NamedArgs{"rename_ids": l.ids[:2], "quarantine": quarantine})
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	require.Equal(t, "cancelled cancelled cancelled cancelled cancelled", b.statuses(t, l.batch))
	b.requireCountsAddUp(t)
}

func TestAbandon(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c")
	paused := b.load(t, "d")
	b.setBatch(t, paused.batch, "paused")
	other := b.elsewhere(t)
	kept := other.load(t, "a")
	b.settle(t, l.ids[0], "succeeded")
	b.mustClaim(t, l.ids[1])
	require.NoError(t, b.Abandon(t.Context(), b.site.ID, "its API is gone"))
	require.Equal(t, "succeeded sending cancelled", b.statuses(t, l.batch))
	require.Equal(t, "cancelled", b.statuses(t, paused.batch))
	require.Equal(t, "its API is gone", *b.status(t, paused.batch).StatusReason)
	require.Equal(t, "pending", other.statuses(t, kept.batch))
	b.requireCountsAddUp(t)
}

func TestBatchStatus(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := records.Batch(t.Context(), b.DB, 99)
	require.ErrorAs(t, err, new(db.NoBatchError))

	first, p := b.load(t, "a", "b", "c"), b.params(rowsOf("d", "e"))
	p.Priority = 1
	urgent, last := b.loadWith(t, p), b.load(t, "f")
	b.settle(t, first.ids[0], "succeeded")
	require.Equal(t, []int64{2, 2 + 2, 2 + 2 + 1}, []int64{
		b.status(t, urgent.batch).Ahead, b.status(t, first.batch).Ahead, b.status(t, last.batch).Ahead,
	}, "by priority, then in the order of acceptance")
	b.setBatch(t, first.batch, "paused")
	require.EqualValues(t, 2+1, b.status(t, last.batch).Ahead)

	b.park(t)
	b.pauseSite(t, true)
	s := b.status(t, last.batch)
	require.Equal(t, "the token was refused", *s.ParkedReason)
	require.True(t, s.SitePaused)
	require.Nil(t, s.BreakerError)

	listed, err := records.Batches(t.Context(), b.DB, "", 2)
	require.NoError(t, err)
	require.Equal(t, []int64{last.batch, urgent.batch}, []int64{listed[0].Batch, listed[1].Batch}, "the newest first")
	listed, err = records.Batches(t.Context(), b.DB, "elsewhere", 2)
	require.NoError(t, err)
	require.Empty(t, listed)
}

func TestRetryBatch(t *testing.T) {
	t.Parallel()
	all := setup(t)
	const rows = "succeeded failed conflict cancelled invalid superseded"
	tests := map[string]struct {
		statuses []db.RowStatus
		error    string
		want     string
		pending  int64
	}{
		"all that can be":     {[]db.RowStatus{"failed", "conflict", "cancelled"}, "", "succeeded pending pending pending invalid superseded", 3},
		"failed":              {[]db.RowStatus{"failed"}, "", "succeeded pending conflict cancelled invalid superseded", 1},
		"by error":            {[]db.RowStatus{"failed", "conflict"}, "No Such", "succeeded pending conflict cancelled invalid superseded", 1},
		"no such error":       {[]db.RowStatus{"failed", "conflict"}, "%", rows, 0},
		"what can never be":   {[]db.RowStatus{"succeeded", "invalid", "unchanged"}, "", rows, 0},
		"not a status at all": {[]db.RowStatus{"lost"}, "", rows, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a", "b", "c", "d", "!e", "f")
			b.settle(t, l.ids[0], "succeeded")
			b.settle(t, l.ids[1], "failed")
			b.settle(t, l.ids[2], "conflict")
			b.load(t, "f")
			b.cancel(t, l.batch)
			require.Equal(t, rows, b.statuses(t, l.batch))

			got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: l.batch, Statuses: tt.statuses, Error: tt.error}, nil)
			require.NoError(t, err)
			require.Equal(t, db.Retried{Pending: tt.pending}, got)
			require.Equal(t, tt.want, b.statuses(t, l.batch))
			status := db.BatchCancelled
			if tt.pending > 0 {
				status = db.BatchActive
			}
			require.Equal(t, status, b.status(t, l.batch).Status)
			b.requireCountsAddUp(t)
			if strings.HasPrefix(tt.want, "succeeded pending") {
				require.Zero(t, b.mustClaim(t, l.ids[1]).Failures, "it has all its attempts again")
			}
		})
	}
}

// A late retry never overwrites a newer name: one that was sent, may have been sent, or will be.
func TestRetryBatchWithNewerRename(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		newer func(t *testing.T, b *testBundle, l loaded)
		want  string
	}{
		"none":             {nil, "pending"},
		"pending":          {func(*testing.T, *testBundle, loaded) {}, "superseded"},
		"paused":           {func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "paused") }, "superseded"},
		"in flight":        {func(t *testing.T, b *testBundle, l loaded) { b.mustClaim(t, l.ids[0]) }, "superseded"},
		"succeeded":        {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "succeeded") }, "superseded"},
		"failed":           {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "failed") }, "superseded"},
		"cancelled unsent": {func(t *testing.T, b *testBundle, l loaded) { b.cancel(t, l.batch) }, "pending"},
		"lost, then cancelled": {func(t *testing.T, b *testBundle, l loaded) {
			b.lose(t, l)
			b.cancel(t, l.batch)
		}, "superseded"},
		"tried, then cancelled": {func(t *testing.T, b *testBundle, l loaded) {
			b.delay(t, l.ids[0])
			b.cancel(t, l.batch)
		}, "superseded"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			old := b.load(t, "a", "z")
			b.settle(t, old.ids[0], "failed")
			var young loaded
			if tt.newer != nil {
				young = b.loadWith(t, b.params(named("a", "new")))
				tt.newer(t, b, young)
			}
			got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: old.batch, Statuses: []db.RowStatus{"failed"}}, nil)
			require.NoError(t, err)
			row := b.rename(t, old.ids[0])
			require.Equal(t, tt.want, row.Status)
			require.Equal(t, tt.want == "superseded", got.Superseded == 1)
			if tt.want == "superseded" {
				require.Equal(t, young.ids[0], *row.SupersededBy)
			}
			b.requireCountsAddUp(t)
		})
	}
}

// Two batches of one target, both cancelled and both retried, in either order: the newer one wins.
func TestRetryBatchesOfOneTarget(t *testing.T) {
	t.Parallel()
	all := setup(t)
	retry := func(t *testing.T, b *testBundle, l loaded) {
		t.Helper()
		_, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: l.batch, Statuses: []db.RowStatus{"cancelled"}}, nil)
		require.NoError(t, err)
		b.requireCountsAddUp(t)
	}
	tests := map[string]func(t *testing.T, b *testBundle, old, young loaded){
		"older first": func(t *testing.T, b *testBundle, old, young loaded) {
			retry(t, b, old)
			retry(t, b, young)
		},
		"newer first": func(t *testing.T, b *testBundle, old, young loaded) {
			retry(t, b, young)
			retry(t, b, old)
		},
		"older in flight": func(t *testing.T, b *testBundle, old, young loaded) {
			retry(t, b, old)
			c := b.mustClaim(t, old.ids[0])
			retry(t, b, young)
			require.Equal(t, db.Wait, b.claim(t, young.ids[0]).Verdict)
			require.Equal(t, db.RowSuperseded, b.finish(t, answer(c, "pending"))[old.ids[0]])
		},
		"older paused": func(t *testing.T, b *testBundle, old, young loaded) {
			retry(t, b, old)
			b.setBatch(t, old.batch, "paused")
			retry(t, b, young)
			b.setBatch(t, old.batch, "active")
		},
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			old := b.load(t, "a", "y")
			b.cancel(t, old.batch)
			young := b.load(t, "a", "z")
			b.cancel(t, young.batch)
			run(t, b, old, young)
			require.Equal(t, "superseded", b.rename(t, old.ids[0]).Status)
			require.Equal(t, young.ids[0], *b.rename(t, old.ids[0]).SupersededBy)
			b.mustClaim(t, young.ids[0])
			require.Equal(t, db.Final, b.claim(t, old.ids[0]).Verdict)
		})
	}
}

// Rows are retried only when the batch has come to its end: until then they might be cancelled once more.
func TestRetryBatchNotYetCancelled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b")
	b.settle(t, l.ids[0], "failed")
	b.setBatch(t, l.batch, "cancelled")
	retry := func() db.Retried {
		got, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: l.batch, Statuses: []db.RowStatus{"failed", "cancelled"}}, nil)
		require.NoError(t, err)
		return got
	}
	require.Zero(t, retry())
	_, _, err := b.CancelOpen(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.EqualValues(t, 2, retry().Pending)
	b.settle(t, l.ids[0], "succeeded")
	b.settle(t, l.ids[1], "succeeded")
	require.Equal(t, db.BatchDone, b.status(t, l.batch).Status)
	b.requireCountsAddUp(t)
}
