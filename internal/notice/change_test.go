package notice

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

const (
	siteURL  = "https://site.example.com/"
	batchURL = "https://batch.example.com/"
)

// Each change of a batch makes one notice for each address, in its own statement.
func TestBatchChanges(t *testing.T) {
	t.Parallel()
	reason, both := "all its rows fail", []string{batchURL, siteURL}
	pause := func(b *testBundle, l dbtest.Loaded, reason *string) {
		_, err := b.PauseBatch(b.t.Context(), l.Batch, reason)
		require.NoError(b.t, err)
	}
	for name, tt := range map[string]struct {
		change func(b *testBundle, l dbtest.Loaded)
		want   string // empty: no notice
	}{
		"done":    {func(b *testBundle, l dbtest.Loaded) { dbtest.Settle(b.t, b.DB, l.IDs[0], db.RowSucceeded) }, "done"},
		"trouble": {func(b *testBundle, l dbtest.Loaded) { dbtest.Settle(b.t, b.DB, l.IDs[0], db.RowFailed) }, "trouble"},
		"superseded": {func(b *testBundle, _ dbtest.Loaded) {
			p := dbtest.Params(b.site.ID, dbtest.Rows("a", "b"))
			_, err := b.Load(b.t.Context(), p)
			require.NoError(b.t, err)
		}, "done"},
		"paused by relabel": {func(b *testBundle, l dbtest.Loaded) { pause(b, l, &reason) }, "paused"},
		"paused by a user":  {func(b *testBundle, l dbtest.Loaded) { pause(b, l, nil) }, ""},
		"resumed by a user": {func(b *testBundle, l dbtest.Loaded) {
			pause(b, l, nil)
			_, err := b.ResumeBatch(b.t.Context(), l.Batch)
			require.NoError(b.t, err)
		}, ""},
		"cancelled by a user": {func(b *testBundle, l dbtest.Loaded) {
			_, err := b.CancelBatch(b.t.Context(), l.Batch, nil)
			require.NoError(b.t, err)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.notify(siteURL)
			l := b.load([]string{batchURL, siteURL, batchURL}, "a")
			tt.change(b, l)
			got := b.events()
			slices.Sort(got)
			if tt.want == "" {
				require.Empty(t, got)
				return
			}
			require.Equal(t, []string{tt.want + " " + both[0], tt.want + " " + both[1]}, got)
		})
	}
}

// A batch that is retried ends a second time: that is another change.
func TestDoneAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	l := b.load(nil, "a")
	dbtest.Settle(t, b.DB, l.IDs[0], db.RowFailed)
	require.Equal(t, []string{"trouble " + siteURL}, b.events())
	_, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{Batch: l.Batch, Statuses: []db.RowStatus{db.RowFailed}}, nil)
	require.NoError(t, err)
	require.Empty(t, b.events())
	dbtest.Settle(t, b.DB, l.IDs[0], db.RowSucceeded)
	require.Equal(t, []string{"done " + siteURL}, b.events())
}

// A batch whose rows need no call is done when it is loaded.
func TestDoneAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dbtest.Settle(t, b.DB, b.load(nil, "a").IDs[0], db.RowSucceeded)
	b.load([]string{batchURL}, "a")
	require.Equal(t, "1 row", dbtest.Value[string](t, b, `SELECT detail FROM notice`))
	require.Equal(t, []string{"done " + batchURL}, b.events())
}

// A plan that ends without being applied makes no notice; an applied one does, to the
// address that came with apply.
func TestPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	p := dbtest.Params(b.site.ID, dbtest.Rows("a"))
	p.Planned = true
	l := dbtest.Load(t, b.DB, p)
	require.NoError(t, b.Discard(t.Context(), l.Batch))
	require.Empty(t, b.events())
	dbtest.Settle(t, b.DB, b.load(nil, "z").IDs[0], db.RowSucceeded)
	require.Equal(t, []string{"done " + siteURL}, b.events())
	same := dbtest.Params(b.site.ID, dbtest.Rows("z"))
	same.Planned = true
	l = dbtest.Load(t, b.DB, same)
	require.NoError(t, b.CompareWithRecord(t.Context(), l.Batch))
	ended, err := b.EndEmpty(t.Context(), l.Batch)
	require.NoError(t, err)
	require.True(t, ended)
	require.Empty(t, b.events())
	l = dbtest.Load(t, b.DB, p)
	require.NoError(t, b.CompareWithRecord(t.Context(), l.Batch))
	require.NoError(t, b.Apply(t.Context(), db.ApplyParams{BatchID: l.Batch, Notify: []string{batchURL}, Queue: dbtest.NoQueue}))
	dbtest.Settle(t, b.DB, l.IDs[0], db.RowSucceeded)
	require.ElementsMatch(t, []string{"done " + siteURL, "done " + batchURL}, b.events())
}

// A change of the site is one for its open batches too.
func TestSiteChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	dbtest.Settle(t, b.DB, b.load([]string{"https://ended.example.com/"}, "z").IDs[0], db.RowSucceeded)
	b.load([]string{batchURL, siteURL}, "a")
	b.events()
	ctx, all := t.Context(), func(event string) []string { return []string{event + " " + batchURL, event + " " + siteURL} }
	changed := func(event string) {
		t.Helper()
		require.ElementsMatch(t, all(event), b.events())
	}
	require.NoError(t, b.ParkSite(ctx, b.site.ID, "f1", "401"))
	changed("parked")
	require.NoError(t, b.ParkSite(ctx, b.site.ID, "f1", "401"))
	require.Empty(t, b.events(), "it is parked already")
	_, err := b.UnparkSite(ctx, b.site.ID)
	require.NoError(t, err)
	changed("resumed")
	_, err = b.UnparkSite(ctx, b.site.ID)
	require.NoError(t, err)
	require.Empty(t, b.events())
	_, err = b.PauseSite(ctx, b.site.ID, true)
	require.NoError(t, err)
	_, err = b.PauseSite(ctx, b.site.ID, false)
	require.NoError(t, err)
	require.Empty(t, b.events(), "a user did that")
}

// The statement that records an outcome opens the breaker, and that makes the notice.
func TestBreakerChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	l := b.load(nil, "a", "b", "c")
	finish := func(id int64, health db.Health) {
		t.Helper()
		f := dbtest.Answer(dbtest.Claim(t, b.DB, id), db.RowPending)
		f.Health, f.Message = health, "503"
		_, _, err := b.Turn(t.Context(), db.ClaimParams{}, db.FinishParams{
			ProcessID: "p1", Finishes: []db.Finish{f}, BreakerLimit: 2, Quarantine: time.Minute,
		})
		require.NoError(t, err)
	}
	finish(l.IDs[0], db.Ill)
	require.Empty(t, b.events())
	finish(l.IDs[1], db.Ill)
	require.Equal(t, []string{"breaker_open " + siteURL}, b.events())
	b.exec(`UPDATE breaker SET next_probe_at = now()`)
	finish(l.IDs[2], db.Well)
	require.Equal(t, []string{"breaker_closed " + siteURL}, b.events())
}

// A change that is rolled back makes no notice.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	tx := dbtest.Begin(t, b)
	_, err := tx.Exec(t.Context(), `UPDATE site SET parked_at = now(), parked_reason = 'x'`)
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(context.WithoutCancel(t.Context())))
	require.Empty(t, b.events())
}
