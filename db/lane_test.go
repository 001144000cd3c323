package db_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
)

const (
	window = time.Minute
	hold   = 30 * time.Second
)

// limit makes the site's lane with a fixed limit.
func (b *testBundle) limit(t tb, limit int) {
	t.Helper()
	b.ensure(t, db.LaneSettings{Fingerprint: b.lane, Limit: limit, Window: window, Fixed: true})
}

func (b *testBundle) ensure(t tb, s db.LaneSettings) {
	t.Helper()
	if s.Fingerprint == "" {
		s.Fingerprint = b.lane
	}
	require.NoError(t, b.EnsureLane(t.Context(), b.site.ID, s))
}

func (b *testBundle) grant(t tb, want int) db.Grants {
	t.Helper()
	g, err := b.Grant(t.Context(), db.GrantParams{Lane: b.lane, ProcessID: process, Want: want, Hold: hold})
	require.NoError(t, err)
	return g
}

func (b *testBundle) laneState(t tb) records.LaneState {
	t.Helper()
	s, known, err := records.Lane(t.Context(), b.DB, b.site.Name)
	require.NoError(t, err)
	require.True(t, known)
	return s
}

// age makes all that the lane holds older.
func (b *testBundle) age(t tb, d time.Duration) {
	t.Helper()
	b.exec(t, `
		UPDATE lane_grant SET granted_at = granted_at - $2::interval, expires_at = expires_at - $2::interval
		WHERE lane = $1`, b.lane, d)
	b.exec(t, `
		UPDATE lane SET blocked_until = blocked_until - $2::interval, api_until = api_until - $2::interval
		WHERE fingerprint = $1`, b.lane, d)
}

func TestEnsureLane(t *testing.T) {
	t.Parallel()
	all := setup(t)
	learn := db.LaneSettings{Limit: 60, Window: window}
	fixed := func(n int) db.LaneSettings { return db.LaneSettings{Limit: n, Window: window, Fixed: true} }
	none := db.LaneSettings{Window: window}
	tests := map[string]struct {
		steps   []db.LaneSettings
		learned int // the API's limit, heard of before the last step; 0: it said nothing
		limit   int // 0: none
		ceiling int // 0: none
	}{
		"learn":                      {[]db.LaneSettings{learn}, 0, 60, 0},
		"learn, learned, learn":      {[]db.LaneSettings{learn, learn}, 120, 120, 0},
		"fixed":                      {[]db.LaneSettings{fixed(30)}, 0, 30, 30},
		"fixed, API has less":        {[]db.LaneSettings{fixed(120), fixed(120)}, 60, 60, 120},
		"fixed, API has more":        {[]db.LaneSettings{fixed(30), fixed(30)}, 60, 30, 30},
		"fixed, raised":              {[]db.LaneSettings{fixed(30), fixed(120)}, 0, 120, 120},
		"fixed, lowered":             {[]db.LaneSettings{fixed(120), fixed(30)}, 60, 30, 30},
		"learn, then fixed":          {[]db.LaneSettings{learn, fixed(30)}, 120, 30, 30},
		"fixed, then learn":          {[]db.LaneSettings{fixed(30), learn}, 120, 30, 0}, // until the API says it again
		"none":                       {[]db.LaneSettings{none}, 0, 0, 0},
		"none hears nothing":         {[]db.LaneSettings{none, none}, 60, 0, 0},
		"none, then learn":           {[]db.LaneSettings{none, learn}, 0, 60, 0},
		"none, then fixed":           {[]db.LaneSettings{none, fixed(30)}, 0, 30, 30},
		"learn, then none":           {[]db.LaneSettings{learn, none}, 0, 0, 0},
		"fixed, none, learn":         {[]db.LaneSettings{fixed(30), none, learn}, 0, 60, 0},
		"fixed, none, fixed as ever": {[]db.LaneSettings{fixed(30), none, fixed(30)}, 0, 30, 30},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			for i, s := range tt.steps {
				if i == len(tt.steps)-1 && tt.learned > 0 {
					b.observe(t, db.Observation{Limit: tt.learned, Remaining: tt.learned})
				}
				b.ensure(t, s)
			}
			require.Equal(t, tt.limit, b.laneState(t).Limit)
			require.Equal(t, tt.ceiling, value[int](t, b, `SELECT coalesce(ceiling, 0) FROM lane WHERE fingerprint = $1`, b.lane))
		})
	}
}

func TestEnsureLaneOfSharedToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, known, err := records.Lane(t.Context(), b.DB, b.site.Name)
	require.NoError(t, err)
	require.False(t, known, "never worked with")
	b.limit(t, 5)
	other := b.elsewhere(t)
	other.lane = b.lane
	other.limit(t, 5)
	b.grant(t, 3)
	for _, site := range []string{b.site.Name, other.site.Name} {
		s, known, err := records.Lane(t.Context(), b.DB, site)
		require.NoError(t, err)
		require.True(t, known)
		require.Equal(t, records.LaneState{Limit: 5, Window: window, Used: 3}, s)
	}
}

// A parked site goes on with another token, and only with another one.
func TestUnpark(t *testing.T) {
	t.Parallel()
	b := setup(t)
	reason := func() string {
		s, err := b.SiteByID(t.Context(), b.site.ID)
		require.NoError(t, err)
		require.Equal(t, s.ParkedAt == nil, s.ParkedReason == nil)
		if s.ParkedReason == nil {
			return ""
		}
		return *s.ParkedReason
	}
	park := func(reason string) { require.NoError(t, b.ParkSite(t.Context(), b.site.ID, b.lane, reason)) }
	unpark := func(want bool) {
		changed, err := b.UnparkSite(t.Context(), b.site.ID)
		require.NoError(t, err)
		require.Equal(t, want, changed)
		require.Empty(t, reason())
	}
	unpark(false)
	park("first")
	park("second")
	b.limit(t, 5)
	require.NoError(t, b.UnparkForTokens(t.Context(), []int{b.site.ID}, []string{b.lane}))
	require.Equal(t, "first", reason(), "the same token")
	require.NoError(t, b.UnparkForTokens(t.Context(), []int{b.site.ID}, []string{"f2"}))
	unpark(false)
	park("third")
	unpark(true)
}

func TestGrant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 5)
	g := b.grant(t, 3)
	require.Len(t, g.IDs, 3)
	require.Equal(t, db.Grants{IDs: g.IDs, Limit: 5}, g)
	g = b.grant(t, 3)
	require.Len(t, g.IDs, 2)
	require.Positive(t, g.Wait, "one more is wanted")
	g = b.grant(t, 1)
	require.Empty(t, g.IDs)
	require.InDelta(t, window.Seconds(), g.Wait.Seconds(), 5, "nothing in flight frees itself within a window")
	require.False(t, g.Blocked)
	require.Equal(t, records.LaneState{Limit: 5, Window: window, Used: 5}, b.laneState(t))

	b.age(t, hold+window)
	require.Zero(t, b.laneState(t).Used, "a killed process's grants free themselves")
	require.Len(t, b.grant(t, 9).IDs, 5)
	b.age(t, 25*time.Hour)
	b.grant(t, 1)
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM lane_grant`), "the log is swept")
}

func TestGrantOfNoLane(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.Grant(t.Context(), db.GrantParams{Lane: "gone", ProcessID: process, Want: 1, Hold: hold})
	require.ErrorContains(t, err, "lane gone is gone")
}

func TestGrantWithoutLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, db.LaneSettings{Window: window})
	g := b.grant(t, 1000)
	require.Empty(t, g.IDs, "there is nothing to count")
	require.Equal(t, []any{0, time.Duration(0), false}, []any{g.Limit, g.Wait, g.Blocked})
	require.NoError(t, b.BlockLane(t.Context(), b.lane, time.Minute))
	require.True(t, b.grant(t, 1).Blocked, "a 429 stops it all the same")
}

// A lowered limit counts what was given before.
func TestGrantAfterLimitChanged(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 10)
	b.grant(t, 8)
	b.limit(t, 5)
	require.Empty(t, b.grant(t, 1).IDs)
	b.limit(t, 9)
	require.Len(t, b.grant(t, 5).IDs, 1)
}

// All who ask at once have no more than the limit together, and no less.
func TestGrantToManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const limit = 37
	b.limit(t, limit)
	var given atomic.Int64
	crowd := pool.New().WithErrors()
	for i := range 8 {
		crowd.Go(func() error {
			for range 6 {
				g, err := b.Grant(t.Context(), db.GrantParams{Lane: b.lane, ProcessID: process, Want: 1 + i%3, Hold: hold})
				if err != nil {
					return err
				}
				given.Add(int64(len(g.IDs)))
			}
			return nil
		})
	}
	require.NoError(t, crowd.Wait())
	require.EqualValues(t, limit, given.Load())
	require.Equal(t, limit, b.laneState(t).Used)
}

func TestReleaseGrants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 5)
	g := b.grant(t, 5)
	require.NoError(t, b.ReleaseGrants(t.Context(), g.IDs[1:3]))
	require.NoError(t, b.ReleaseGrants(t.Context(), g.IDs[1:3]), "twice is once")
	require.NoError(t, b.ReleaseGrants(t.Context(), []int64{-1}))
	require.NoError(t, b.ReleaseGrants(t.Context(), nil))
	require.Equal(t, 3, b.laneState(t).Used)
	require.Len(t, b.grant(t, 5).IDs, 2)
}

func TestSettleGrant(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 5)
	g := b.grant(t, 2)
	require.NoError(t, b.SettleGrant(t.Context(), g.IDs[0], 59*time.Second))
	require.Equal(t, 2, b.laneState(t).Used)
	require.NoError(t, b.SettleGrant(t.Context(), g.IDs[0], window))
	require.Equal(t, 1, b.laneState(t).Used)
}

func TestBlockLane(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 5)
	block := func(d time.Duration) { require.NoError(t, b.BlockLane(t.Context(), b.lane, d)) }
	block(time.Minute)
	block(time.Second) // the longer one stays
	g := b.grant(t, 1)
	require.Empty(t, g.IDs)
	require.True(t, g.Blocked)
	require.InDelta(t, 60, g.Wait.Seconds(), 20)
	require.InDelta(t, 60, b.laneState(t).Blocked.Seconds(), 20)
	block(2 * time.Minute)
	require.InDelta(t, 120, b.grant(t, 1).Wait.Seconds(), 20)
	b.age(t, 2*time.Minute)
	require.Len(t, b.grant(t, 1).IDs, 1)
	require.Zero(t, b.laneState(t).Blocked)
}

func (b *testBundle) observe(t tb, seen ...db.Observation) {
	t.Helper()
	require.NoError(t, b.Observe(t.Context(), b.lane, seen))
}

func TestObserveAdoptsLimit(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		ceiling int
		seen    []db.Observation
		want    int
	}{
		"as known":          {0, []db.Observation{{Limit: 60, Remaining: 60}}, 60},
		"higher":            {0, []db.Observation{{Limit: 120, Remaining: 120}}, 120},
		"lower":             {0, []db.Observation{{Limit: 30, Remaining: 30}}, 30},
		"below the ceiling": {100, []db.Observation{{Limit: 60, Remaining: 60}}, 60},
		"above the ceiling": {100, []db.Observation{{Limit: 120, Remaining: 120}}, 100},
		"the newest counts": {0, []db.Observation{
			{Limit: 30, Remaining: 30, SentAgo: 2}, {Limit: 120, Remaining: 120, SentAgo: 0.5}, {Limit: 60, Remaining: 60, SentAgo: 1},
		}, 120},
		"nothing said": {0, []db.Observation{}, 60},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			s := db.LaneSettings{Limit: 60, Window: window}
			if tt.ceiling > 0 {
				s.Limit, s.Fixed = tt.ceiling, true
			}
			b.ensure(t, s)
			b.observe(t, tt.seen...)
			require.Equal(t, tt.want, b.laneState(t).Limit)
		})
	}
}

// What the API has counted and our log has not is somebody else's, until the API's window is over. From then on its
// count must leave room too.
func TestObserveForeignUse(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		ours    int // calls made and answered
		flying  int // calls made, no answer yet
		seen    []db.Observation
		foreign int
		room    int
	}{
		"none":                      {3, 0, []db.Observation{{Limit: 10, Remaining: 7}}, 0, 7},
		"a new window of theirs":    {3, 0, []db.Observation{{Limit: 10, Remaining: 9}}, 0, 7},
		"two":                       {3, 0, []db.Observation{{Limit: 10, Remaining: 5}}, 2, 5},
		"all":                       {0, 0, []db.Observation{{Limit: 10, Remaining: 0}}, 10, 0},
		"the most is the newest":    {3, 0, []db.Observation{{Limit: 10, Remaining: 6}, {Limit: 10, Remaining: 4}, {Limit: 10, Remaining: 7}}, 3, 4},
		"some in flight":            {2, 3, []db.Observation{{Limit: 10, Remaining: 8}}, 0, 5},
		"in flight, counted":        {2, 3, []db.Observation{{Limit: 10, Remaining: 5}}, 0, 5},
		"refused with nothing left": {4, 0, []db.Observation{{Limit: 10, Remaining: 0, Refused: true}}, 6, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			b.limit(t, 10)
			for _, id := range b.grant(t, tt.ours).IDs {
				require.NoError(t, b.SettleGrant(t.Context(), id, 0))
			}
			b.grant(t, tt.flying)
			b.observe(t, tt.seen...)
			b.observe(t, tt.seen...) // the same, heard again, is no more
			require.Equal(t, tt.foreign, b.laneState(t).Foreign)
			require.Equal(t, tt.ours+tt.flying+tt.foreign, b.laneState(t).Used)
			g := b.grant(t, 11)
			require.Len(t, g.IDs, tt.room)
			require.LessOrEqual(t, g.Wait, window)
			require.Positive(t, g.Wait)

			require.NoError(t, b.ReleaseGrants(t.Context(), g.IDs))
			b.exec(t, `UPDATE lane SET api_until = api_until - call_window WHERE fingerprint = $1`, b.lane)
			require.Zero(t, b.laneState(t).Foreign, "its window is over")
			require.Len(t, b.grant(t, 11).IDs, 10-tt.ours-tt.flying)
		})
	}
}

// A slow answer is judged by all that counted when its call was sent, the expired and the new included: our own calls
// are never taken for somebody else's, whatever the phase of the API's window.
func TestObserveSlowAnswer(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		expiredAgo time.Duration
		foreign    bool
	}{
		"counted when it was sent":         {10 * time.Second, false},
		"counted no more when it was sent": {30 * time.Second, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			b.limit(t, 10)
			b.grant(t, 4)
			b.age(t, hold+window+tt.expiredAgo)
			b.grant(t, 1)
			b.observe(t, db.Observation{Limit: 10, Remaining: 5, SentAgo: 20})
			require.Equal(t, tt.foreign, b.laneState(t).Foreign > 0)
		})
	}
}

// A ceiling is for the calls that are ours: the others' take from what the API allows.
func TestObserveForeignUseUnderCeiling(t *testing.T) {
	t.Parallel()
	for remaining, room := range map[int]int{5: 4, 3: 3} {
		b := setup(t)
		b.limit(t, 4)
		b.observe(t, db.Observation{Limit: 10, Remaining: remaining})
		require.Len(t, b.grant(t, 9).IDs, room)
	}
}

// The API's count is heeded until its window is over at the latest: a window after the first answer told of it.
func TestObserveEndsWithTheWindow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 10)
	until := func() float64 {
		return value[float64](t, b, `SELECT extract(epoch FROM api_until - clock_timestamp())::float8 FROM lane`)
	}
	b.observe(t, db.Observation{Limit: 10, Remaining: 5})
	b.age(t, 30*time.Second)
	b.observe(t, db.Observation{Limit: 10, Remaining: 3})
	require.InDelta(t, 30, until(), 15, "later answers don't make it longer")
	require.NoError(t, b.BlockLane(t.Context(), b.lane, 10*time.Second))
	require.InDelta(t, 10, until(), 10, "after Retry-After a new one has begun")
	b.exec(t, `UPDATE lane SET api_until = clock_timestamp()`)
	b.observe(t, db.Observation{Limit: 10, Remaining: 9})
	require.Equal(t, 1, value[int](t, b, `SELECT api_used FROM lane`), "a new window counts from the start")
}

func TestObserveWithoutLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.ensure(t, db.LaneSettings{Window: window})
	b.observe(t, db.Observation{Limit: 60, Remaining: 0})
	require.Equal(t, records.LaneState{Window: window}, b.laneState(t))
}
