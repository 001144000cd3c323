package throttle

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// TestLogIsItsModel does the same random operations on the model and on the real
// SQL, and compares them. So what the simulation shows of the model holds for the
// SQL too.
//
// To let time pass in the database, the test moves the stored times back. All
// durations are multiples of grid, so that a statement's own time never matters.
func TestLogIsItsModel(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	lanes := 0
	rapid.Check(t, func(rt *rapid.T) {
		lanes++
		b := newBooks(t, rt, d, fmt.Sprint("lane ", lanes))
		rt.Repeat(map[string]func(*rapid.T){
			"":        b.check,
			"grant":   b.grant,
			"settle":  b.settle,
			"release": b.release,
			"observe": b.observe,
			"block":   b.block,
			"pass":    b.pass,
			"alone":   b.alone,
			"window":  b.window,
		})
	})
}

const (
	grid = 10 * time.Second

	// slack is how long a loaded machine may take between an operation on the
	// model and the same operation on the database.
	slack = grid / 2
)

// books is the same lane twice: as a model and in the database.
type books struct {
	t    *testing.T
	db   *db.DB
	lane string
	m    *model

	settings db.LaneSettings

	shift      time.Duration
	ids, mines []int64             // of all grants, in the database and in the model
	answered   map[int64]time.Time // when each call was, or may be, answered
}

func newBooks(t *testing.T, rt *rapid.T, d *db.DB, lane string) *books {
	b := &books{t: t, db: d, lane: lane, answered: map[int64]time.Time{}}
	b.m = newModel(rapid.IntRange(0, 5).Draw(rt, "limit"), time.Duration(rapid.IntRange(1, 6).Draw(rt, "window"))*grid)
	b.m.now = func() time.Time { return time.Now().Add(b.shift) }
	b.settings = db.LaneSettings{Fingerprint: lane, Limit: b.m.limit, Window: b.m.window, Fixed: rapid.Bool().Draw(rt, "fixed")}
	if b.settings.Fixed {
		b.m.ceiling = b.m.limit
	}
	b.ensure()
	return b
}

func (b *books) ensure() {
	site, err := b.db.SiteByName(b.t.Context(), db.DefaultSite)
	require.NoError(b.t, err)
	require.NoError(b.t, b.db.EnsureLane(b.t.Context(), site.ID, b.settings))
}

// window changes the window. It does not matter for a lane without a limit.
func (b *books) window(rt *rapid.T) {
	if b.m.limit == 0 {
		rt.Skip("no limit")
	}
	b.settings.Window = time.Duration(rapid.IntRange(1, 6).Draw(rt, "window")) * grid
	b.m.setWindow(b.settings.Window)
	b.ensure()
}

// requireLimit checks the limit without the model: the window that ends now has no
// more grants than the limit.
func (b *books) requireLimit(now time.Time) {
	n := 0
	for _, at := range b.answered {
		if at.Add(b.m.window - slack).After(now) {
			n++
		}
	}
	require.LessOrEqual(b.t, n, b.m.limit)
}

func (b *books) check(*rapid.T) {
	got, known, err := records.Lane(b.t.Context(), b.db, "default")
	require.NoError(b.t, err)
	require.True(b.t, known)
	want := b.m.state()
	require.InDelta(b.t, want.Blocked, got.Blocked, float64(slack))
	got.Blocked = want.Blocked
	require.Equal(b.t, want, got)
}

func (b *books) grant(rt *rapid.T) {
	p := db.GrantParams{
		Lane: b.lane, ProcessID: "process", Want: rapid.IntRange(1, 6).Draw(rt, "want"),
		Hold: time.Duration(rapid.IntRange(1, 5).Draw(rt, "hold")) * grid,
	}
	want, err := b.m.Grant(b.t.Context(), p)
	require.NoError(b.t, err)
	got, err := b.db.Grant(b.t.Context(), p)
	require.NoError(b.t, err)
	require.Len(b.t, got.IDs, len(want.IDs))
	require.InDelta(b.t, want.Wait, got.Wait, float64(slack))
	b.ids, b.mines = append(b.ids, got.IDs...), append(b.mines, want.IDs...)
	for _, id := range got.IDs {
		b.answered[id] = b.m.now().Add(p.Hold)
	}
	if len(got.IDs) > 0 {
		b.requireLimit(b.m.now())
	}
	got.IDs, got.Wait, want.IDs, want.Wait = nil, 0, nil, 0
	require.Equal(b.t, want, got)
}

// one draws a grant, in whatever state it is.
func (b *books) one(rt *rapid.T) (id, mine int64) {
	if len(b.ids) == 0 {
		rt.Skip("no grants yet")
	}
	i := rapid.IntRange(0, len(b.ids)-1).Draw(rt, "which")
	return b.ids[i], b.mines[i]
}

func (b *books) settle(rt *rapid.T) {
	id, mine := b.one(rt)
	ago := time.Duration(rapid.IntRange(0, 3).Draw(rt, "answered ago")) * grid
	b.m.settle(mine, ago)
	require.NoError(b.t, b.db.SettleGrant(b.t.Context(), id, ago))
	if _, ok := b.answered[id]; ok {
		b.answered[id] = b.m.now().Add(-ago)
	}
}

func (b *books) release(rt *rapid.T) {
	id, mine := b.one(rt)
	require.NoError(b.t, b.m.ReleaseGrants(b.t.Context(), []int64{mine}))
	require.NoError(b.t, b.db.ReleaseGrants(b.t.Context(), []int64{id}))
	delete(b.answered, id)
}

func (b *books) observe(rt *rapid.T) {
	seen := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) db.Observation {
		limit := rapid.IntRange(1, 6).Draw(rt, "limit")
		return db.Observation{
			Limit: limit, Remaining: rapid.IntRange(0, limit).Draw(rt, "remaining"),
			SentAgo: float64(rapid.IntRange(0, 5).Draw(rt, "sent ago")) * grid.Seconds(),
			Refused: rapid.Bool().Draw(rt, "refused"),
		}
	}), 1, 3).Draw(rt, "seen")
	require.NoError(b.t, b.m.Observe(b.t.Context(), b.lane, seen))
	require.NoError(b.t, b.db.Observe(b.t.Context(), b.lane, seen))
}

func (b *books) block(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(0, 8).Draw(rt, "for")) * grid
	require.NoError(b.t, b.m.BlockLane(b.t.Context(), b.lane, d))
	require.NoError(b.t, b.db.BlockLane(b.t.Context(), b.lane, d))
}

// alone lets an hour pass. After that the token counts as unshared again.
func (b *books) alone(*rapid.T) {
	b.m.sharedUntil = b.m.now()
	_, err := b.db.Pool().Exec(b.t.Context(), `
		UPDATE lane SET shared_until = clock_timestamp() WHERE fingerprint = $1 AND shared_until IS NOT NULL`, b.lane)
	require.NoError(b.t, err)
}

func (b *books) pass(rt *rapid.T) {
	d := time.Duration(rapid.IntRange(1, 8).Draw(rt, "time")) * grid
	b.shift += d
	for _, sql := range []string{
		`UPDATE lane_grant SET granted_at = granted_at - $2::interval, expires_at = expires_at - $2::interval WHERE lane = $1`,
		`UPDATE lane SET blocked_until = blocked_until - $2::interval, api_until = api_until - $2::interval,
			shared_until = shared_until - $2::interval WHERE fingerprint = $1`,
	} {
		_, err := b.db.Pool().Exec(b.t.Context(), sql, b.lane, d)
		require.NoError(b.t, err)
	}
}
