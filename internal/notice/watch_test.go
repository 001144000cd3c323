package notice

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

// watch looks from several processes.
func (b *testBundle) watch() {
	b.t.Helper()
	for range 3 {
		require.NoError(b.t, Watch(b.t.Context(), b.DB))
	}
}

// longAgo makes what a watch has seen older than the time that a site may be without a
// process.
func (b *testBundle) longAgo() {
	b.t.Helper()
	b.exec(`UPDATE site SET unworked_since = unworked_since - interval '1 hour'`)
}

func (b *testBundle) beat() {
	b.t.Helper()
	require.NoError(b.t, b.Beat(b.t.Context(), db.Process{ID: "p1", Command: "test", Host: "h", Sites: []int{b.site.ID}, Lanes: []string{"f"}}))
}

// Rows of a site without a process make one notice, however many processes look, and one when
// they are worked again.
func TestStalled(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	l := b.load(nil, "a", "b")
	b.watch()
	require.Empty(t, b.events(), "not at once: it may be a restart")
	b.longAgo()
	b.watch()
	require.Equal(t, []string{"stalled " + siteURL}, b.events())
	b.longAgo()
	b.watch()
	require.Empty(t, b.events(), "only once")
	b.beat()
	b.watch()
	require.Equal(t, []string{"working " + siteURL}, b.events())

	// The next time counts anew.
	require.NoError(t, b.EndProcess(t.Context(), "p1"))
	b.watch()
	require.Empty(t, b.events())
	b.longAgo()
	b.watch()
	require.Equal(t, []string{"stalled " + siteURL}, b.events())

	// Without rows to send nothing stalls. Nobody works, so that is no good news either.
	for _, id := range l.IDs {
		dbtest.Settle(t, b.DB, id, db.RowSucceeded)
	}
	b.events()
	b.watch()
	require.Empty(t, b.events())
	require.True(t, dbtest.Value[bool](t, b, `SELECT bool_and(unworked_since IS NULL AND stalled_at IS NULL) FROM site`))
}

// A site that waits for a person does not stall, and neither does one that a process works.
func TestNotStalled(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(b *testBundle, batch int64){
		"worked":       func(b *testBundle, _ int64) { b.beat() },
		"paused":       func(b *testBundle, _ int64) { b.exec(`UPDATE site SET paused_at = now()`) },
		"parked":       func(b *testBundle, _ int64) { b.exec(`UPDATE site SET parked_at = now(), parked_reason = 'x'`) },
		"batch paused": func(b *testBundle, batch int64) { b.exec(`UPDATE batch SET status = 'paused' WHERE id = $1`, batch) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.notify(siteURL)
			do(b, b.load(nil, "a").Batch)
			b.events()
			b.watch()
			b.longAgo()
			b.watch()
			require.Empty(t, b.events())
		})
	}
}

// A site whose row is locked is left for the next look.
func TestWatchDoesNotWait(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.notify(siteURL)
	b.load(nil, "a")
	tx := dbtest.Begin(t, b)
	_, err := tx.Exec(t.Context(), `SELECT FROM site FOR UPDATE`)
	require.NoError(t, err)
	b.watch()
	require.NoError(t, tx.Rollback(t.Context()))
	require.True(t, dbtest.Value[bool](t, b, `SELECT bool_and(unworked_since IS NULL) FROM site`))
}
