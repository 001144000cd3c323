package db_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"relabel/db"
	"relabel/internal/records"
)

// near is how long a statement of a test may take on a busy machine.
const near = 3 * time.Second

// works lets the bundle's process work at its site.
func (b *testBundle) works(t tb) {
	t.Helper()
	require.NoError(t, b.Beat(t.Context(), db.Process{ID: "p-" + b.site.Name, Sites: []int{b.site.ID}}))
}

// grants logs calls whose places are free again after these times.
func (b *testBundle) grants(t tb, free ...time.Duration) {
	t.Helper()
	for _, d := range free {
		b.exec(t, `
			INSERT INTO lane_grant (lane, process_id, granted_at, expires_at)
			VALUES ($1, 'p1', clock_timestamp() + $2::interval - $3::interval, clock_timestamp() + $2::interval)`, b.lane, d, window)
	}
}

// requireEnd requires an estimated end after so long; -1 is none.
func (b *testBundle) requireEnd(t tb, batch int64, after time.Duration, why string) {
	t.Helper()
	s := b.status(t, batch)
	if after < 0 {
		require.Nil(t, s.ETA, why)
		return
	}
	require.NotNil(t, s.ETA, why)
	require.WithinDuration(t, s.Now.Add(after), *s.ETA, near, why)
	view := value[time.Time](t, b, `SELECT ends_at FROM batch_progress WHERE batch = $1`, batch)
	require.WithinDuration(t, *s.ETA, view, near, "the view says the same: %s", why)
}

// The estimated end follows from the limit and what comes first, and from nothing that was.
func TestEstimatedEnd(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 2)
	first, p := b.load(t, "a", "b", "c"), b.params(rowsOf("d", "e"))
	b.requireEnd(t, first.batch, -1, "nobody works at it")
	b.works(t)
	b.requireEnd(t, first.batch, window, "two at once, the third a window later")
	p.Priority = 1
	urgent, last := b.loadWith(t, p), b.load(t, "f")
	b.requireEnd(t, urgent.batch, 0, "first by priority")
	b.requireEnd(t, first.batch, 2*window, "after the urgent one")
	b.requireEnd(t, last.batch, 2*window, "the sixth call")
	b.setBatch(t, urgent.batch, "paused")
	b.requireEnd(t, urgent.batch, -1, "it waits for a person")
	b.requireEnd(t, last.batch, window, "what is paused takes no turn")

	b.grants(t, 20*time.Second, 40*time.Second)
	b.requireEnd(t, last.batch, 40*time.Second+window, "places become free one by one")
	b.mustClaim(t, first.ids[0])
	b.requireEnd(t, last.batch, 20*time.Second+window, "a call in flight has its place already")
	require.NoError(t, b.BlockLane(t.Context(), b.lane, 30*time.Second))
	b.requireEnd(t, last.batch, 30*time.Second+window, "not before the end of Retry-After")
	require.NoError(t, b.BlockLane(t.Context(), b.lane, time.Hour))
	b.requireEnd(t, last.batch, time.Hour+window, "all places are free by then")

	b.exec(t, `UPDATE breaker SET opened_at = now() WHERE site_id = $1`, b.site.ID)
	b.requireEnd(t, last.batch, -1, "only probes go out")
	b.exec(t, `UPDATE breaker SET opened_at = NULL`)
	b.pauseSite(t, true)
	b.requireEnd(t, last.batch, -1, "the site is paused")
	b.pauseSite(t, false)
	b.park(t)
	b.requireEnd(t, last.batch, -1, "the site is parked")
	b.exec(t, `UPDATE site SET parked_at = NULL; UPDATE lane SET call_limit = NULL`)
	b.requireEnd(t, last.batch, -1, "no limit to go by")
}

// One call in ten is for later priorities, so these end sooner than behind all
// others, and the first one later.
func TestEstimatedEndOfPriorities(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 2)
	b.works(t)
	var values []string
	for i := range 20 {
		values = append(values, fmt.Sprint("urgent", i))
	}
	p := b.params(rowsOf(values...))
	p.Priority = 1
	urgent := b.loadWith(t, p)
	b.requireEnd(t, urgent.batch, 9*window, "twenty calls")
	small, rest := b.load(t, "a"), b.load(t, "b", "c")
	b.requireEnd(t, small.batch, 4*window, "the tenth call")
	b.requireEnd(t, rest.batch, 11*window, "after all 22 others")
	b.requireEnd(t, urgent.batch, 10*window, "two of its calls give way")
}

// A plan has no end of its own and holds up no other batch.
func TestEstimatedEndOfPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 2)
	b.works(t)
	p := b.params(rowsOf("a", "b", "c", "d", "e", "f"))
	p.Priority, p.Planned = 1, true
	plan := b.loadWith(t, p)
	after := b.load(t, "g", "h")
	b.requireEnd(t, plan.batch, -1, "not applied")
	b.requireEnd(t, after.batch, 0, "the plan does not count")
}

// Sites with one token share its limit in equal parts, while both are worked.
func TestEstimatedEndOfSharedToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere(t)
	other.lane = b.lane
	b.limit(t, 2)
	other.limit(t, 2)
	b.works(t)
	mine := b.load(t, "a", "b", "c", "d")
	theirs := other.load(t, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
	b.requireEnd(t, mine.batch, window, "nobody works at the other site")
	other.works(t)
	b.requireEnd(t, mine.batch, 3*window, "four of ours and four of theirs")
	other.requireEnd(t, theirs.batch, 6*window, "all fourteen")
	other.pauseSite(t, true)
	b.requireEnd(t, mine.batch, window, "the other site is paused")
}

// The last rows may wait to be tried again.
func TestEstimatedEndOfRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 60)
	b.works(t)
	l := b.load(t, "a", "b", "c")
	b.settle(t, l.ids[0], "succeeded")
	b.exec(t, `UPDATE rename SET not_before = now() + '4 min' WHERE id = $1`, l.ids[1])
	require.Nil(t, b.status(t, l.batch).RetryAt, "the third could go out")
	b.requireEnd(t, l.batch, 4*time.Minute, "the second not before")
	b.exec(t, `UPDATE rename SET not_before = now() + '2 min' WHERE id = $1`, l.ids[2])
	s := b.status(t, l.batch)
	require.WithinDuration(t, s.Now.Add(2*time.Minute), *s.RetryAt, near, "both wait")
}

// Who may read the views and nothing else sees the estimated end too.
func TestViewsNeedNoOtherRight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 2)
	b.works(t)
	l := b.load(t, "a", "b", "c")
	tx, err := b.Pool().Begin(t.Context())
	require.NoError(t, err)
	defer tx.Rollback(t.Context()) //nolint:errcheck // the role goes with it
	_, err = tx.Exec(t.Context(), `
		CREATE ROLE relabel_reader_test; GRANT USAGE ON SCHEMA relabel TO relabel_reader_test;
		GRANT SELECT ON relabel.batch_progress TO relabel_reader_test;
		SET LOCAL ROLE relabel_reader_test; SET LOCAL search_path = public`)
	require.NoError(t, err)
	var ends *time.Time
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT ends_at FROM relabel.batch_progress WHERE batch = $1`, l.batch).Scan(&ends))
	require.NotNil(t, ends)
}

// ends_in says what giving grants one by one comes to.
func TestEndsInIsWhatGrantsComeTo(t *testing.T) {
	t.Parallel()
	all := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := all.elsewhere(rt)
		limit := rapid.IntRange(1, 7).Draw(rt, "limit")
		b.limit(rt, limit)
		var places []time.Duration // when each may be taken next
		for range rapid.IntRange(0, limit+2).Draw(rt, "used") {
			free := time.Duration(rapid.IntRange(5, 59).Draw(rt, "free in")) * time.Second
			b.grants(rt, free)
			places = append(places, free)
		}
		slices.Sort(places)
		for len(places) < limit {
			places = append([]time.Duration{0}, places...)
		}
		places = places[len(places)-limit:] // a limit that was lowered: the first to be free are nobody's
		blocked := time.Duration(0)
		if rapid.Bool().Draw(rt, "is blocked") {
			blocked = time.Duration(rapid.IntRange(5, 300).Draw(rt, "blocked")) * time.Second
			require.NoError(rt, b.BlockLane(rt.Context(), b.lane, blocked))
		}
		calls := rapid.IntRange(1, 40).Draw(rt, "calls")
		var last time.Duration
		for range calls {
			last = max(places[0], blocked)
			places[0] = last + window
			slices.Sort(places)
		}
		got, limited, err := records.EndsIn(rt.Context(), b.DB, b.site.Name, int64(calls))
		require.NoError(rt, err)
		require.True(rt, limited)
		require.InDelta(rt, last.Seconds(), got.Seconds(), near.Seconds())
	})
}
