package db_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"relabel/db"
)

// set gives the site a limit of its own, as `site set --rate` does.
func (b *testBundle) set(t tb, rate string) {
	t.Helper()
	site, err := b.SiteByName(t.Context(), b.site.Name)
	require.NoError(t, err)
	site.RateLimit = nil
	if rate != "" {
		site.RateLimit = &rate
	}
	require.NoError(t, b.SaveSite(t.Context(), site))
}

// settings are what a process brings that has this limit from its environment, or
// from the site's row.
func (b *testBundle) settings(t tb, rate string) db.LaneSettings {
	t.Helper()
	r, err := db.ParseRate(rate)
	require.NoError(t, err)
	return db.LaneSettings{Fingerprint: b.lane, Limit: r.Calls, Window: r.Window, Fixed: r.Fixed}
}

// work comes to work the site.
func (b *testBundle) work(t tb, rate string) {
	t.Helper()
	require.NoError(t, b.EnsureLane(t.Context(), b.site.ID, b.settings(t, rate)))
}

// together are sites of one token.
func (b *testBundle) together(t testing.TB, n int) []*testBundle {
	t.Helper()
	sites, lane := make([]*testBundle, n), uuid.NewString()
	for i := range sites {
		sites[i] = b.elsewhere(t)
		sites[i].lane = lane
	}
	return sites
}

// rate is what the token may do now.
func (b *testBundle) rate(t tb) string {
	t.Helper()
	s := b.laneState(t)
	fixed := value[bool](t, b, `SELECT ceiling IS NOT NULL OR call_limit IS NULL FROM lane WHERE fingerprint = $1`, b.lane)
	return db.Rate{Calls: s.Limit, Window: s.Window, Fixed: fixed}.String()
}

// What a token may do follows from all its sites, whoever comes last, and whether
// their limits are their own or from the environment of who works them.
func TestLaneOfManySites(t *testing.T) {
	t.Parallel()
	all := setup(t)
	for name, tt := range sharedRates() {
		for way, setUp := range map[string]func(*testBundle, string){
			"own":            func(s *testBundle, rate string) { s.set(t, rate); s.work(t, rate) },
			"own, set after": func(s *testBundle, rate string) { s.work(t, ""); s.set(t, rate) },
			"own, heard of late": func(s *testBundle, rate string) { // by a process that began before it was set
				s.set(t, rate)
				s.work(t, map[bool]string{true: "", false: "7/1m"}[rate == ""])
			},
			"environment's": func(s *testBundle, rate string) { s.work(t, rate) },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				want, rates := tt.want, slices.Clone(tt.sites)
				for range 2 {
					sites := all.together(t, len(rates))
					for i, site := range sites {
						setUp(site, rates[i])
					}
					require.Equal(t, want, sites[0].rate(t))
					for i, site := range sites {
						require.NoError(t, site.FindLane(t.Context(), site.site.ID, site.settings(t, "999/1m")), "a scheduled run")
						require.Equal(t, want, site.rate(t))
						site.work(t, rates[i]) // its process is started again
						require.Equal(t, want, site.rate(t))
					}
					slices.Reverse(rates)
				}
			})
		}
	}
}

// A limit that is set, raised and taken back while others of the token stay.
func TestLaneFollowsSiteSet(t *testing.T) {
	t.Parallel()
	sites := setup(t).together(t, 2)
	a, b := sites[0], sites[1]
	a.work(t, "")
	b.work(t, "none")
	for _, step := range []struct {
		site *testBundle
		rate string
		want string
	}{
		{a, "60/1m", "60/1m0s"},
		{b, "20/1m", "20/1m0s"},
		{b, "none", "60/1m0s"},
		{a, "none", "none"},
		{b, "learn", "learn/1m0s"},
		{a, "90/1m", "90/1m0s"},
		{b, "", "90/1m0s"}, // its environment says none
		{a, "none", "none"},
	} {
		step.site.set(t, step.rate)
		require.Equal(t, step.want, a.rate(t))
	}
}

// FindLane sets a lane up where nobody has worked with the token yet.
func TestFindLane(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.FindLane(t.Context(), b.site.ID, b.settings(t, "30/1m")))
	require.Equal(t, "30/1m0s", b.rate(t))
	b.lane = "another token"
	require.NoError(t, b.FindLane(t.Context(), b.site.ID, b.settings(t, "20/1m")))
	require.Equal(t, "20/1m0s", b.rate(t))
}

// A window that grows counts again what had expired in the shorter one.
func TestWindowGrows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.work(t, "2/1s")
	for range 7 {
		for _, id := range b.grant(t, 9).IDs {
			require.NoError(t, b.SettleGrant(t.Context(), id, 0))
		}
		b.age(t, time.Second)
	}
	flying := b.grant(t, 9).IDs
	b.work(t, "16/8s")
	require.Empty(t, b.grant(t, 9).IDs, "16 calls in 7 s")
	require.NoError(t, b.SettleGrant(t.Context(), flying[0], 0))
	b.age(t, time.Second)
	require.Len(t, b.grant(t, 9).IDs, 2)
	b.age(t, 23*time.Hour)
	b.work(t, "3/24h")
	require.Empty(t, b.grant(t, 9).IDs, "the whole day counts")
	b.work(t, "3/1s")
	require.Len(t, b.grant(t, 9).IDs, 3, "and is forgotten again")
}

// A finish that began under the old window settles its grant by the new one.
func TestWindowGrowsBesideFinish(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.work(t, "1/1m")
	id := b.grant(t, 1).IDs[0]
	tx := begin(t, b.Pool())
	_, err := tx.Exec(t.Context(), `SELECT FROM lane_grant WHERE id = $1 FOR UPDATE`, id)
	require.NoError(t, err)
	grown, settled := make(chan error, 1), make(chan error, 1)
	go func() {
		grown <- b.EnsureLane(t.Context(), b.site.ID, b.settings(t, "1/1h"))
	}()
	b.requireBlocked(t, 1)
	go func() { settled <- b.SettleGrant(t.Context(), id, 2*time.Minute) }()
	b.requireBlocked(t, 2)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-grown)
	require.NoError(t, <-settled)
	require.Empty(t, b.grant(t, 1).IDs)
}

// Limits and windows that change at random never give a call more than the limit in
// force has room for, in a window before it.
func TestChangingLimitsHold(t *testing.T) {
	t.Parallel()
	all := setup(t)
	rapid.Check(t, func(rt *rapid.T) {
		b := all.elsewhere(rt)
		var calls []time.Duration // when each was answered
		var now time.Duration
		rate := db.Rate{}
		rt.Repeat(map[string]func(*rapid.T){
			"change": func(rt *rapid.T) {
				rate = db.Rate{
					Calls: rapid.IntRange(1, 6).Draw(rt, "calls"), Fixed: true,
					Window: time.Duration(rapid.IntRange(1, 6).Draw(rt, "window")) * time.Hour,
				}
				b.work(rt, rate.String())
			},
			"call": func(rt *rapid.T) {
				if rate.Calls == 0 {
					rt.Skip("no limit yet")
				}
				for _, id := range b.grant(rt, 3).IDs {
					require.NoError(rt, b.SettleGrant(rt.Context(), id, 0))
					calls = append(calls, now)
					from, _ := slices.BinarySearch(calls, now-rate.Window+time.Minute) // statements take a moment
					require.LessOrEqual(rt, len(calls)-from, rate.Calls)
				}
			},
			"pass": func(rt *rapid.T) {
				d := time.Duration(rapid.IntRange(1, 120).Draw(rt, "minutes")) * time.Minute
				now += d
				b.age(rt, d)
			},
		})
	})
}

// Grants of a token that nobody works with any more go in the end.
func TestForgetGrants(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 5)
	b.grant(t, 5)
	b.age(t, 25*time.Hour+hold)
	b.lane = "another token"
	b.limit(t, 5)
	require.NoError(t, b.ForgetGrants(t.Context()))
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM lane_grant`))
}
