package db_test

import (
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

// park and the like put the site into a state.
func (b *testBundle) park(t tb) {
	t.Helper()
	require.NoError(t, b.ParkSite(t.Context(), b.site.ID, b.lane, "the token was refused"))
}

func (b *testBundle) pauseSite(t tb, pause bool) {
	t.Helper()
	_, err := b.PauseSite(t.Context(), b.site.ID, pause)
	require.NoError(t, err)
}

// Every state of a rename, its batch and its site, and what a claim then gives and leaves.
func TestClaimVerdicts(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		prepare func(t *testing.T, b *testBundle, l loaded)
		verdict db.Verdict
		status  string
	}{
		"pending":                  {func(*testing.T, *testBundle, loaded) {}, db.Claimed, "sending"},
		"claimed":                  {func(t *testing.T, b *testBundle, l loaded) { b.mustClaim(t, l.ids[0]) }, db.Wait, "sending"},
		"lease is out":             {func(t *testing.T, b *testBundle, l loaded) { b.lose(t, l) }, db.Claimed, "sending"},
		"waits for its next try":   {func(t *testing.T, b *testBundle, l loaded) { b.delay(t, l.ids[0]) }, db.Wait, "pending"},
		"tried, due again":         {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "pending") }, db.Claimed, "sending"},
		"succeeded":                {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "succeeded") }, db.Final, "succeeded"},
		"failed":                   {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "failed") }, db.Final, "failed"},
		"superseded":               {func(t *testing.T, b *testBundle, _ loaded) { b.load(t, "a") }, db.Final, "superseded"},
		"superseded in flight":     {func(t *testing.T, b *testBundle, l loaded) { b.mustClaim(t, l.ids[0]); b.load(t, "a") }, db.Wait, "sending"},
		"superseded, lease is out": {func(t *testing.T, b *testBundle, l loaded) { b.lose(t, l); b.load(t, "a") }, db.Final, "superseded"},
		"paused":                   {func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "paused") }, db.Held, "pending"},
		"paused, lease is out":     {func(t *testing.T, b *testBundle, l loaded) { b.lose(t, l); b.setBatch(t, l.batch, "paused") }, db.Held, "sending"},
		"paused in flight": {func(t *testing.T, b *testBundle, l loaded) {
			b.mustClaim(t, l.ids[0])
			b.setBatch(t, l.batch, "paused")
		}, db.Wait, "sending"},
		"paused and resumed": {func(t *testing.T, b *testBundle, l loaded) {
			b.setBatch(t, l.batch, "paused")
			b.setBatch(t, l.batch, "active")
		}, db.Claimed, "sending"},
		"cancelled":               {func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "cancelled") }, db.Final, "cancelled"},
		"cancelled, lease is out": {func(t *testing.T, b *testBundle, l loaded) { b.lose(t, l); b.setBatch(t, l.batch, "cancelled") }, db.Final, "cancelled"},
		"cancelled in flight": {func(t *testing.T, b *testBundle, l loaded) {
			b.mustClaim(t, l.ids[0])
			b.setBatch(t, l.batch, "cancelled")
		}, db.Wait, "sending"},
		"cancelled while parked": {func(t *testing.T, b *testBundle, l loaded) { b.park(t); b.setBatch(t, l.batch, "cancelled") }, db.Final, "cancelled"},
		"planned": {func(t *testing.T, b *testBundle, l loaded) {
			b.exec(t, `UPDATE batch SET status = 'planned' WHERE id = $1`, l.batch)
		}, db.Held, "pending"},
		"site parked":             {func(t *testing.T, b *testBundle, _ loaded) { b.park(t) }, db.Held, "pending"},
		"site paused":             {func(t *testing.T, b *testBundle, _ loaded) { b.pauseSite(t, true) }, db.Held, "pending"},
		"site paused and resumed": {func(t *testing.T, b *testBundle, _ loaded) { b.pauseSite(t, true); b.pauseSite(t, false) }, db.Claimed, "sending"},
		"site parked, final":      {func(t *testing.T, b *testBundle, l loaded) { b.settle(t, l.ids[0], "failed"); b.park(t) }, db.Final, "failed"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			l := b.load(t, "a", "z")
			tt.prepare(t, b, l)
			before := b.rename(t, l.ids[0])
			c := b.claimAs(t, "p2", l.ids[0])[l.ids[0]]
			require.Equal(t, tt.verdict, c.Verdict)
			row := b.rename(t, l.ids[0])
			require.Equal(t, tt.status, row.Status)
			require.Equal(t, tt.verdict == db.Wait, c.Wait > 0, "%s", c.Wait)
			require.LessOrEqual(t, c.Wait, lease)
			require.Equal(t, row.Fence, c.Fence)
			if tt.verdict == db.Claimed {
				require.Equal(t, before.Fence+1, c.Fence)
				require.Equal(t, "p2", *row.ProcessID)
				require.True(t, row.Leased)
			} else {
				require.Equal(t, before.Fence, c.Fence, "the fence counts the claims that were handed out")
			}
			b.requireCountsAddUp(t)
		})
	}
}

// lose claims a batch's first rename and lets the lease run out: its process is gone.
func (b *testBundle) lose(t *testing.T, l loaded) {
	t.Helper()
	b.mustClaim(t, l.ids[0])
	b.expireLease(t, l.ids[0])
}

func TestClaimTellsWhatToSend(t *testing.T) {
	t.Parallel()
	b := setup(t)
	name, alt := "n", "t"
	l := b.loadWith(t, b.params(func(yield func(*db.SourceRow, error) bool) {
		_ = yield(&db.SourceRow{Line: 2, AssetID: "a", LocaleID: "fr", DisplayName: &name}, nil) &&
			yield(&db.SourceRow{Line: 3, AssetID: "b", AltText: &alt}, nil)
	}))
	require.Equal(t, map[int64]db.Claim{
		l.ids[0]: {RenameID: l.ids[0], BatchID: l.batch, SiteID: b.site.ID, Verdict: db.Claimed, Fence: 1, AssetID: "a", LocaleID: "fr", DisplayName: &name},
		l.ids[1]: {RenameID: l.ids[1], BatchID: l.batch, SiteID: b.site.ID, Verdict: db.Claimed, Fence: 1, AssetID: "b", AltText: &alt},
	}, b.claimAs(t, process, l.ids...))
	b.finish(t, answer(db.Claim{RenameID: l.ids[1], Fence: 1}, "pending"))
	require.Equal(t, 1, b.mustClaim(t, l.ids[1]).Failures)
}

func TestClaimManyAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "!d")
	b.settle(t, l.ids[1], "failed")
	got := b.claimAs(t, process, l.ids[3], l.ids[2], l.ids[0], l.ids[0], l.ids[1], 99, -1)
	require.Len(t, got, 4, "twice the same is one, and what does not exist has no answer")
	verdicts := []db.Verdict{}
	for _, id := range l.ids {
		verdicts = append(verdicts, got[id].Verdict)
	}
	require.Equal(t, []db.Verdict{db.Claimed, db.Final, db.Claimed, db.Final}, verdicts)
	require.Empty(t, b.claimAs(t, process))
	b.requireCountsAddUp(t)
}

// While an older call of the target may still land, the newer one waits: for its answer, its lease, or the time after
// an answer that left open what became of it.
func TestClaimWaitsForOlderCallOfTarget(t *testing.T) {
	t.Parallel()
	all := setup(t)
	tests := map[string]struct {
		end  func(t *testing.T, b *testBundle, old db.Claim)
		want db.Verdict
	}{
		"in flight":    {func(*testing.T, *testBundle, db.Claim) {}, db.Wait},
		"answered":     {func(t *testing.T, b *testBundle, old db.Claim) { b.finish(t, answer(old, "succeeded")) }, db.Claimed},
		"lease is out": {func(t *testing.T, b *testBundle, old db.Claim) { b.expireLease(t, old.RenameID) }, db.Wait},
		"lease and quarantine are out": {func(t *testing.T, b *testBundle, old db.Claim) {
			b.expireLease(t, old.RenameID)
			b.endQuarantine(t)
		}, db.Claimed},
		"lost and ended": {func(t *testing.T, b *testBundle, old db.Claim) {
			b.expireLease(t, old.RenameID)
			require.Equal(t, db.Final, b.claim(t, old.RenameID).Verdict)
		}, db.Wait},
		"lost and cancelled": {func(t *testing.T, b *testBundle, old db.Claim) {
			b.expireLease(t, old.RenameID)
			b.load(t, "other")
			b.setBatch(t, old.BatchID, "cancelled")
			_, _, err := b.CancelOpen(t.Context(), b.site.ID)
			require.NoError(t, err)
		}, db.Wait},
		"lost and ended, quarantine is out": {func(t *testing.T, b *testBundle, old db.Claim) {
			b.expireLease(t, old.RenameID)
			require.Equal(t, db.Final, b.claim(t, old.RenameID).Verdict)
			b.endQuarantine(t)
		}, db.Claimed},
		"outcome unknown": {func(t *testing.T, b *testBundle, old db.Claim) {
			f := answer(old, "pending")
			f.Unknown = true
			b.finish(t, f)
		}, db.Wait},
		"quarantine is over": {func(t *testing.T, b *testBundle, old db.Claim) {
			f := answer(old, "pending")
			f.Unknown = true
			b.finish(t, f)
			b.endQuarantine(t)
		}, db.Claimed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := all.elsewhere(t)
			old := b.mustClaim(t, b.load(t, "a").ids[0])
			young := b.load(t, "a", "a/fr")
			other := b.elsewhere(t).load(t, "a")
			tt.end(t, b, old)
			c := b.claim(t, young.ids[0])
			require.Equal(t, tt.want, c.Verdict)
			require.Equal(t, tt.want == db.Wait, c.Wait > 0)
			b.mustClaim(t, young.ids[1])
			b.mustClaim(t, other.ids[0])
			b.requireCountsAddUp(t)
		})
	}
}

// A call of unknown outcome may land after a second one of the same rename has succeeded.
func TestClaimRemembersUnknownCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	old := b.load(t, "a")
	f := answer(b.mustClaim(t, old.ids[0]), "pending")
	f.Unknown = true
	b.finish(t, f)
	b.settle(t, old.ids[0], "succeeded") // the same value: no reason to wait
	young := b.loadWith(t, b.params(named("a", "new")))
	require.Equal(t, db.Wait, b.claim(t, young.ids[0]).Verdict)
}

// However many ask at once, one of them gets the lease.
func TestClaimOfOneRenameByMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.load(t, "a").ids[0]
	crowd := pool.NewWithResults[db.Verdict]()
	for range 16 {
		crowd.Go(func() db.Verdict { return b.claim(t, id).Verdict })
	}
	counts := map[db.Verdict]int{}
	for _, v := range crowd.Wait() {
		counts[v]++
	}
	require.Equal(t, map[db.Verdict]int{db.Claimed: 1, db.Wait: 15}, counts)
	require.Equal(t, int32(1), b.rename(t, id).Fence)
	b.requireCountsAddUp(t)
}

// A claim that has to wait for a row's lock judges by what is true when it has it. Here it waits for a row of one site
// while on another site its batch is paused, or cancelled and its target loaded again and sent.
func TestClaimJudgesUnderItsLocks(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		meanwhile func(t *testing.T, b *testBundle, l loaded)
		want      db.Verdict
		status    string
	}{
		"paused": {func(t *testing.T, b *testBundle, l loaded) { b.setBatch(t, l.batch, "paused") }, db.Held, "pending"},
		"parked": {func(t *testing.T, b *testBundle, l loaded) { b.park(t) }, db.Held, "pending"},
		"loaded again": {func(t *testing.T, b *testBundle, _ loaded) {
			b.settle(t, b.load(t, "a").ids[0], "succeeded")
		}, db.Final, "superseded"},
		"cancelled and loaded again": {func(t *testing.T, b *testBundle, l loaded) {
			b.setBatch(t, l.batch, "cancelled")
			b.settle(t, b.load(t, "a").ids[0], "succeeded")
		}, db.Final, "cancelled"},
		"claimed by another": {func(t *testing.T, b *testBundle, l loaded) { b.claimAs(t, "p2", l.ids[0]) }, db.Wait, "sending"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			first := b.elsewhere(t).load(t, "x")
			l := b.load(t, "a")

			tx := begin(t, b.Pool())
			_, err := tx.Exec(t.Context(), `SELECT FROM rename WHERE id = $1 FOR UPDATE`, first.ids[0])
			require.NoError(t, err)
			answers := make(chan map[int64]db.Claim, 1)
			go func() { answers <- b.claimAs(t, process, first.ids[0], l.ids[0]) }()
			b.requireBlocked(t, 1)
			tt.meanwhile(t, b, l)
			require.NoError(t, tx.Rollback(t.Context()))

			got := <-answers
			require.Equal(t, db.Claimed, got[first.ids[0]].Verdict)
			require.Equal(t, tt.want, got[l.ids[0]].Verdict)
			require.Equal(t, tt.status, b.rename(t, l.ids[0]).Status)
			b.requireCountsAddUp(t)
		})
	}
}

// An open breaker lets one call of its site through every few seconds, whoever asks.
func TestClaimWithBreakerOpen(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c")
	b.exec(t, `UPDATE breaker SET opened_at = now(), next_probe_at = now(), failures = 20 WHERE site_id = $1`, b.site.ID)
	other := b.elsewhere(t).load(t, "a")

	got := b.claimAs(t, process, append(l.ids, other.ids...)...)
	require.Equal(t, db.Claimed, got[l.ids[0]].Verdict)
	require.True(t, got[l.ids[0]].Probe)
	for _, id := range l.ids[1:] {
		require.Equal(t, db.Wait, got[id].Verdict)
		require.False(t, got[id].Probe)
		require.LessOrEqual(t, got[id].Wait, db.ProbeEvery)
	}
	require.Equal(t, db.Claimed, got[other.ids[0]].Verdict, "another site is well")
	require.False(t, got[other.ids[0]].Probe)
	c := b.claim(t, l.ids[1])
	require.Equal(t, db.Wait, c.Verdict, "the next probe has its time")
	require.Positive(t, c.Wait)
	b.exec(t, `UPDATE breaker SET next_probe_at = now() WHERE opened_at IS NOT NULL`)
	require.True(t, b.mustClaim(t, l.ids[1]).Probe)
	b.requireCountsAddUp(t)
}

func TestClaimFailsWithoutDatabase(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.Close()
	_, err := d.Claim(t.Context(), db.ClaimParams{ProcessID: process, RenameIDs: []int64{1}, Lease: time.Minute})
	require.ErrorContains(t, err, "error claiming renames")
}

// A claim does not touch an index: it is a HOT update, however large the table.
func TestClaimIsHOT(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c")
	hot := func() int64 {
		b.exec(t, `SELECT pg_stat_force_next_flush()`)
		return value[int64](t, b, `SELECT pg_stat_get_xact_tuples_hot_updated('rename'::regclass) + pg_stat_get_tuples_hot_updated('rename'::regclass)`)
	}
	before := hot()
	for _, id := range l.ids {
		b.mustClaim(t, id)
	}
	require.Eventually(t, func() bool { return hot() == before+3 }, patience, 10*time.Millisecond)
}
