//go:build unix

package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

const (
	scheduled = 250 // number of assets of the site: three pages
	differing = 20  // of these, the number that have another name
)

// newSchedule makes a site, a source with new names for some of its assets, and a
// schedule that is not due yet.
func (s *stage) newSchedule() {
	s.Helper()
	s.api.AddAssets(scheduled)
	rows := renames(scheduled, "night")
	for i, r := range rows {
		if i >= differing {
			s.api.SetName(r.asset, "", r.name)
		}
	}
	id := standin.SiteID
	require.NoError(s, s.db.SaveSite(s.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &id}))
	site, err := s.db.SiteByName(s.Context(), db.DefaultSite)
	require.NoError(s, err)
	path, never := s.csv(rows), time.Now().Add(1000*time.Hour)
	require.NoError(s, scheduledb.Add(s.Context(), s.db, scheduledb.Schedule{
		Name: "nightly", SiteID: site.ID, Cron: "0 0 1 1 *", TimeZone: "UTC", CSV: &path,
		Mode: "changed", Overlap: "skip", CatchUp: time.Hour, NextRunAt: &never,
	}))
}

// makeDue makes the schedule due.
func (s *stage) makeDue() {
	s.Helper()
	require.Equal(s, int64(1), s.exec(`UPDATE schedule SET next_run_at = clock_timestamp() - interval '1 second'`))
}

func (s *stage) checkNight(runs int) {
	s.Helper()
	require.Equal(s, runs, ask[int](s, `SELECT count(*) FROM schedule_run`), "each run is started once")
	require.Equal(s, runs, ask[int](s, `SELECT count(*) FROM schedule_run WHERE status = 'done' AND missed = 0`))
	require.Equal(s, runs, ask[int](s, `SELECT a.last FROM acceptance a JOIN site s ON s.id = a.site_id WHERE s.name = 'default'`), "and sent once")
	require.Zero(s, ask[int](s, `SELECT count(*) FROM batch WHERE status NOT IN ('done', 'cancelled')`))
	for _, r := range renames(scheduled, "night") {
		require.Equal(s, r.name, s.api.Name(r.asset, ""))
	}
}

// A process is killed at each step of a schedule's run. Three others finish the run once,
// and no asset is renamed twice except those in flight at the kill.
func TestKilledRun(t *testing.T) {
	t.Parallel()
	for _, place := range []string{
		"due-claimed", "due-started", "load-copied", "load-committing", "run-loaded", "run-page", "run-compared", "run-recorded",
		"run-applying", "run-applied", "run-ending",
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			newStage(t, 0, 0).killRun(place)
		})
	}
}

func (s *stage) killRun(place string) {
	s.newSchedule()
	victim := s.worker("victim", failpoint(place))
	id := s.waitRegistered(victim)
	s.makeDue()
	killed := s.waitKilled(victim)
	inFlight := s.sending(id)
	for _, name := range []string{"second", "third", "fourth"} {
		s.worker(name)
	}
	s.eventually(time.Until(killed.Add(recovery)), "the run is done", func() bool {
		return ask[int](s, `SELECT count(*) FROM schedule_run WHERE status = 'done'`) == 1
	})
	s.Logf("%s: done %.1f s after the kill", place, time.Since(killed).Seconds())
	s.checkNight(1)
	s.checkExtra(inFlight)
	run := s.lastRun()
	require.EqualValues(s, differing, run.Renamed)
	require.EqualValues(s, scheduled, run.LookedAt)
}

func (s *stage) lastRun() scheduledb.Run {
	s.Helper()
	sched, err := scheduledb.ByName(s.Context(), s.db, "nightly")
	require.NoError(s, err)
	run, err := scheduledb.LastRun(s.Context(), s.db, sched.ID)
	require.NoError(s, err)
	require.NotNil(s, run)
	return *run
}

// Four processes run a schedule for several nights, and one of them is killed. Each run
// starts once, and names that were changed by hand are restored.
func TestNights(t *testing.T) {
	t.Parallel()
	s := newStage(t, 0, 0)
	s.newSchedule()
	workers := []*process{s.worker("first"), s.worker("second"), s.worker("third"), s.worker("fourth")}
	for _, w := range workers {
		s.waitRegistered(w)
	}
	const nights = 6
	for night := 1; night <= nights; night++ {
		s.makeDue()
		if night == nights/2 {
			workers[0].kill()
		}
		s.eventually(recovery, "the night is over", func() bool {
			return ask[int](s, `SELECT count(*) FROM schedule_run WHERE status = 'done'`) == night
		})
		s.checkNight(night)
		s.api.SetName(standin.AssetID(night), "", "by hand")
	}
	patches := len(s.patches())
	require.GreaterOrEqual(s, patches, differing+nights-1)
	require.LessOrEqual(s, patches, differing+nights)
}
