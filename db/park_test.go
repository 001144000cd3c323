package db_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
)

// live lets a process work the site with a token.
func (b *testBundle) live(t tb, id, lane string, pid int) {
	t.Helper()
	require.NoError(t, b.Beat(t.Context(), db.Process{
		ID: id, Command: "test", Version: "1", Host: "web-1", PID: pid, Sites: []int{b.site.ID}, Lanes: []string{lane},
	}))
}

func (b *testBundle) refuse(t tb, lane string) {
	t.Helper()
	require.NoError(t, b.ParkSite(t.Context(), b.site.ID, lane, "401 for "+lane))
}

// claimWith claims with a token.
func (b *testBundle) claimWith(t tb, lane string, id int64) db.Verdict {
	t.Helper()
	claims, err := b.Claim(t.Context(), db.ClaimParams{
		ProcessID: process, RenameIDs: []int64{id}, Lease: lease, Quarantine: quarantine, Lanes: map[int]string{b.site.ID: lane},
	})
	require.NoError(t, err)
	require.Len(t, claims, 1)
	if claims[0].Verdict == db.Claimed {
		b.finish(t, db.Finish{RenameID: id, Fence: claims[0].Fence, Status: "pending"})
	}
	return claims[0].Verdict
}

// feedWith returns how many renames a process with a token would give a job.
func (b *testBundle) feedWith(t tb, lane string) (n int) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), b.Pool(), func(tx pgx.Tx) error {
		p := b.feedParams(10)
		p.Lane = lane
		rows, _, err := db.Feed(t.Context(), tx, p)
		n = len(rows)
		return err
	}))
	return n
}

func (b *testBundle) now(t tb) db.Site {
	t.Helper()
	s, err := b.SiteByID(t.Context(), b.site.ID)
	require.NoError(t, err)
	return s
}

// Who is held, and what is said of it, for each state of a site and two tokens.
func TestParkingIsOfAToken(t *testing.T) {
	t.Parallel()
	reason := func(lane string, pid int) string {
		return fmt.Sprintf("401 for %s; process %d on web-1 used that token: if it still runs, restart it after a change", lane, pid)
	}
	for name, tt := range map[string]struct {
		do      func(*testBundle)
		a, b    db.Verdict
		feeds   [3]int // no token, a, b
		parked  string
		refused string
	}{
		"nobody refused": {func(*testBundle) {}, db.Claimed, db.Claimed, [3]int{1, 1, 1}, "", ""},
		"a, and nobody else is there": {
			func(s *testBundle) { s.refuse(t, "a") },
			db.Held, db.Claimed,
			[3]int{0, 0, 1},
			reason("a", 1), "",
		},
		"a, b goes on": {
			func(s *testBundle) { s.live(t, "pb", "b", 2); s.refuse(t, "a") },
			db.Refused, db.Claimed,
			[3]int{1, 1, 1},
			"", "process 1 on web-1",
		},
		"a, then b comes": {func(s *testBundle) {
			s.refuse(t, "a")
			s.live(t, "pb", "b", 2)
			require.NoError(t, s.UnparkForTokens(t.Context(), []int{s.site.ID}, []string{"b"}))
		}, db.Refused, db.Claimed, [3]int{1, 1, 1}, "", "process 1 on web-1"},
		"a, b goes on, then b too": {
			func(s *testBundle) { s.live(t, "pb", "b", 2); s.refuse(t, "a"); s.refuse(t, "b") },
			db.Refused, db.Held,
			[3]int{0, 1, 0},
			reason("b", 2), "process 1 on web-1",
		},
		"a, then b that nobody saw": {
			func(s *testBundle) { s.refuse(t, "a"); s.refuse(t, "b") },
			db.Held, db.Refused,
			[3]int{0, 0, 1},
			reason("a", 1), "",
		},
		"a, b has gone": {func(s *testBundle) {
			s.live(t, "pb", "b", 2)
			s.refuse(t, "a")
			require.NoError(t, s.EndProcess(t.Context(), "pb"))
			require.NoError(t, s.ParkSite(t.Context(), s.site.ID, "a", "")) // it looks again
		}, db.Held, db.Claimed, [3]int{0, 0, 1}, reason("a", 1), ""},
		"a, b is dead": {func(s *testBundle) {
			s.live(t, "pb", "b", 2)
			s.exec(t, `UPDATE process SET heartbeat_at = clock_timestamp() - interval '31 s' WHERE id = 'pb'`)
			s.refuse(t, "a")
		}, db.Held, db.Claimed, [3]int{0, 0, 1}, reason("a", 1), ""},
		"a comes again": {func(s *testBundle) {
			s.live(t, "pb", "b", 2)
			s.refuse(t, "a")
			s.refuse(t, "b")
			require.NoError(t, s.UnparkForTokens(t.Context(), []int{s.site.ID}, []string{"a"}))
		}, db.Refused, db.Held, [3]int{0, 1, 0}, reason("b", 2), "process 1 on web-1"},
		"looks again, and was resumed": {
			func(s *testBundle) { require.NoError(t, s.ParkSite(t.Context(), s.site.ID, "a", "")) },
			db.Claimed, db.Claimed,
			[3]int{1, 1, 1},
			"", "",
		},
		"resumed": {func(s *testBundle) {
			s.live(t, "pb", "b", 2)
			s.refuse(t, "a")
			s.refuse(t, "b")
			changed, err := s.UnparkSite(t.Context(), s.site.ID)
			require.NoError(t, err)
			require.True(t, changed)
		}, db.Claimed, db.Claimed, [3]int{1, 1, 1}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := setup(t)
			id := s.load(t, "asset").ids[0]
			s.live(t, "pa", "a", 1)
			tt.do(s)
			require.Equal(t, tt.a, s.claimWith(t, "a", id))
			require.Equal(t, tt.b, s.claimWith(t, "b", id))
			fed := [3]int{s.feedWith(t, ""), s.feedWith(t, "a"), s.feedWith(t, "b")}
			require.Equal(t, tt.feeds, fed)
			site := s.now(t)
			require.Equal(t, tt.parked, deref(site.ParkedReason))
			require.Equal(t, tt.refused, deref(site.RefusedIn))
		})
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// A schedule's run is left to who has a token that is taken.
func TestRefusedTokenClaimsNoRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	s := b.addSchedule(t, time.Now().Add(time.Hour))
	run, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
	require.NoError(t, err)
	b.live(t, "pa", "a", 1)
	b.live(t, "pb", "b", 2)
	b.refuse(t, "a")
	for lane, want := range map[string]bool{"a": false, "b": true} {
		_, _, ok, err := scheduledb.ClaimRun(t.Context(), b.DB, scheduledb.ClaimRunParams{
			RunID: run.Run, ProcessID: "p" + lane, Now: time.Now(), Lanes: map[int]string{b.site.ID: lane},
		})
		require.NoError(t, err)
		require.Equal(t, want, ok, lane)
	}
}

// A process may stand still between the refusal and writing it. By then somebody may
// have mended the token and let the site go on: that is not undone.
func TestOldRefusalParksNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.refuse(t, "a")
	_, err := b.UnparkSite(t.Context(), b.site.ID)
	require.NoError(t, err)
	r := db.Refusal{SiteID: b.site.ID, Lane: "a", Reason: "401", Ago: time.Hour}
	require.NoError(t, b.Park(t.Context(), r))
	require.Nil(t, b.now(t).ParkedAt)
	require.Equal(t, db.Claimed, b.claimWith(t, "a", b.load(t, "x").ids[0]))
	r.Ago = 0
	require.NoError(t, b.Park(t.Context(), r))
	require.NotNil(t, b.now(t).ParkedAt, "a refusal after that")
}

// The same where the site was not parked, as others went on with another token.
func TestOldRefusalHoldsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.live(t, "pa", "a", 1)
	b.live(t, "pb", "b", 2)
	b.refuse(t, "a")
	require.Nil(t, b.now(t).ParkedAt)
	_, err := b.UnparkSite(t.Context(), b.site.ID)
	require.NoError(t, err)
	require.NoError(t, b.Park(t.Context(), db.Refusal{SiteID: b.site.ID, Lane: "a", Reason: "401", Ago: time.Hour}))
	require.Equal(t, db.Claimed, b.claimWith(t, "a", b.load(t, "x").ids[0]))
}

// Nor when it is written while the site is let go on.
func TestOldRefusalBesideResume(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.refuse(t, "a")
	tx := begin(t, b.Pool())
	_, err := tx.Exec(t.Context(), `
		WITH changed AS (UPDATE site SET parked_at = NULL, parked_reason = NULL WHERE id = $1)
		INSERT INTO event (kind, site_id) VALUES ('site unparked', $1)`, b.site.ID)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		done <- b.Park(t.Context(), db.Refusal{SiteID: b.site.ID, Lane: "a", Reason: "401", Ago: time.Hour})
	}()
	b.requireBlocked(t, 1)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-done)
	require.Nil(t, b.now(t).ParkedAt)
}

// Parking gives up where somebody holds the site's row, so that it holds no
// connection; who parks asks again.
func TestParkSiteWaitsNotForLong(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tx := begin(t, b.Pool())
	_, err := tx.Exec(t.Context(), `SELECT FROM site WHERE id = $1 FOR UPDATE`, b.site.ID)
	require.NoError(t, err)
	require.ErrorContains(t, b.ParkSite(t.Context(), b.site.ID, "a", "401"), "lock timeout")
	require.NoError(t, tx.Rollback(t.Context()))
	b.refuse(t, "a")
	require.NotNil(t, b.now(t).ParkedAt)
	require.Equal(t, "0", value[string](t, b, `SHOW lock_timeout`), "for that one statement")
}
