package scheduledb_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/schedule/scheduledb"
)

// addSchedule makes a schedule of the bundle's site that is due at a moment.
func (b *testBundle) addSchedule(t testing.TB, name string, due time.Time, change func(*scheduledb.Schedule)) scheduledb.Schedule {
	t.Helper()
	path := "/names.csv"
	s := scheduledb.Schedule{
		Name: name, SiteID: b.site.ID, Cron: "0 2 * * *", TimeZone: "UTC", CSV: &path,
		Mode: "changed", Overlap: "skip", CatchUp: 12 * time.Hour, NextRunAt: &due,
	}
	if change != nil {
		change(&s)
	}
	require.NoError(t, scheduledb.Add(t.Context(), b.DB, s))
	s, err := scheduledb.ByName(t.Context(), b.DB, name)
	require.NoError(t, err)
	return s
}

func TestScheduleSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Date(2030, 1, 2, 2, 0, 0, 0, time.UTC)
	s := b.addSchedule(t, "nightly", due, func(s *scheduledb.Schedule) { s.Locales = []string{"fr-FR", "es-MX"} })
	require.Equal(t, []string{"fr-FR", "es-MX"}, s.Locales)
	require.Equal(t, 12*time.Hour, s.CatchUp)
	require.True(t, due.Equal(*s.NextRunAt))
	require.Equal(t, db.DefaultSite, s.Site)
	require.ErrorIs(t, scheduledb.Add(t.Context(), b.DB, s), scheduledb.ErrExists)
	_, err := scheduledb.ByName(t.Context(), b.DB, "other")
	require.ErrorIs(t, err, scheduledb.ErrNoSchedule)

	ok, err := scheduledb.Pause(t.Context(), b.DB, s.ID, "the source moves")
	require.NoError(t, err)
	require.True(t, ok)
	s.Mode = "all"
	require.NoError(t, scheduledb.Edit(t.Context(), b.DB, s))
	s, err = scheduledb.ByName(t.Context(), b.DB, "nightly")
	require.NoError(t, err)
	require.Equal(t, "all", s.Mode)
	require.Nil(t, s.NextRunAt, "an edit does not resume it")
	require.Equal(t, "the source moves", *s.PausedNote)
	ok, err = scheduledb.Resume(t.Context(), b.DB, s.ID, due)
	require.NoError(t, err)
	require.True(t, ok)

	run, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
	require.NoError(t, err)
	require.Equal(t, scheduledb.RunReading, run.Status)
	require.True(t, run.ByHand)
	again, err := scheduledb.RunNow(t.Context(), b.DB, s.ID)
	require.NoError(t, err)
	require.Equal(t, scheduledb.RunSkipped, again.Status)
	runs, err := scheduledb.Runs(t.Context(), b.DB, s.ID, 10)
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, again.Run, runs[0].Run, "the newest first")
	list, err := scheduledb.List(t.Context(), b.DB, db.DefaultSite)
	require.NoError(t, err)
	require.Len(t, list, 1)

	require.NoError(t, scheduledb.Remove(t.Context(), b.DB, s.ID))
	list, err = scheduledb.List(t.Context(), b.DB, "")
	require.NoError(t, err)
	require.Empty(t, list)
}

// A schedule whose times can't be worked out stays due, and is told beside the
// error: who leaves it out comes to the next one.
func TestStartDueBesideABrokenOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Date(2030, 1, 2, 2, 0, 0, 0, time.UTC)
	next := due.Add(time.Hour)
	broken := b.addSchedule(t, "broken", due.Add(-time.Minute), nil)
	well := b.addSchedule(t, "well", due, nil)
	start := func(skip ...int) (scheduledb.Schedule, error) {
		return scheduledb.StartDue(t.Context(), b.DB, scheduledb.StartDueParams{
			SiteID: b.site.ID, Skip: skip, Now: due,
			Judge: func(s scheduledb.Schedule, _ time.Time) (scheduledb.Occurrence, error) {
				if s.ID == broken.ID {
					return scheduledb.Occurrence{}, scheduledb.ErrRunLost
				}
				return scheduledb.Occurrence{Next: &next, Run: &due}, nil
			},
			Queue: noRuns,
		})
	}
	s, err := start()
	require.ErrorIs(t, err, scheduledb.ErrRunLost)
	require.Equal(t, "broken", s.Name)
	s, err = start(broken.ID)
	require.NoError(t, err)
	require.Equal(t, well.ID, s.ID)
	s, err = start(broken.ID)
	require.NoError(t, err)
	require.Zero(t, s.ID, "nothing else is due")
	at, err := scheduledb.NextDue(t.Context(), b.DB, b.site.ID)
	require.NoError(t, err)
	require.True(t, broken.NextRunAt.Equal(*at), "it is due still")
}

// The history of a schedule that runs for years stays small.
func TestOldRunsAreForgotten(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Date(2030, 1, 2, 2, 0, 0, 0, time.UTC)
	s := b.addSchedule(t, "often", due, nil)
	next := due.Add(time.Hour)
	dbtest.Exec(t, b, `
		INSERT INTO schedule_run (schedule_id, due_at, status, finished_at)
		SELECT $1, now(), 'done', now() FROM generate_series(1, 1005)`, s.ID)
	first := dbtest.Value[int64](t, b, `SELECT min(id) FROM schedule_run WHERE schedule_id = $1`, s.ID)
	dbtest.Exec(t, b, `UPDATE schedule_run SET drops_plan = true WHERE id = $1`, first)
	started, err := scheduledb.StartDue(t.Context(), b.DB, scheduledb.StartDueParams{
		SiteID: b.site.ID, Now: due,
		Judge: func(scheduledb.Schedule, time.Time) (scheduledb.Occurrence, error) {
			return scheduledb.Occurrence{Next: &next, Run: &due}, nil
		},
		Queue: noRuns,
	})
	require.NoError(t, err)
	require.Equal(t, s.ID, started.ID)
	require.EqualValues(t, 1002, dbtest.Value[int64](t, b, `SELECT count(*) FROM schedule_run WHERE schedule_id = $1`, s.ID),
		"1,000, the one that still has to drop its plan, and the new one")
	require.Equal(t, first+5, dbtest.Value[int64](t, b, `SELECT min(id) FROM schedule_run WHERE schedule_id = $1 AND NOT drops_plan`, s.ID))
}
