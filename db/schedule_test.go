package db_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// addSchedule makes a schedule of the bundle's site that is due at a moment.
func (b *testBundle) addSchedule(t testing.TB, name string, due time.Time, change func(*db.Schedule)) db.Schedule {
	t.Helper()
	path := "/names.csv"
	s := db.Schedule{
		Name: name, SiteID: b.site.ID, Cron: "0 2 * * *", TimeZone: "UTC", CSV: &path,
		Mode: "changed", Overlap: "skip", CatchUp: 12 * time.Hour, NextRunAt: &due,
	}
	if change != nil {
		change(&s)
	}
	require.NoError(t, b.AddSchedule(t.Context(), s))
	s, err := b.ScheduleByName(t.Context(), name)
	require.NoError(t, err)
	return s
}

func TestScheduleSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	due := time.Date(2030, 1, 2, 2, 0, 0, 0, time.UTC)
	s := b.addSchedule(t, "nightly", due, func(s *db.Schedule) { s.Locales = []string{"fr-FR", "es-MX"} })
	require.Equal(t, []string{"fr-FR", "es-MX"}, s.Locales)
	require.Equal(t, 12*time.Hour, s.CatchUp)
	require.True(t, due.Equal(*s.NextRunAt))
	require.Equal(t, db.DefaultSite, s.Site)
	require.ErrorIs(t, b.AddSchedule(t.Context(), s), db.ErrScheduleExists)
	_, err := b.ScheduleByName(t.Context(), "other")
	require.ErrorIs(t, err, db.ErrNoSchedule)

	ok, err := b.PauseSchedule(t.Context(), s.ID, "the source moves")
	require.NoError(t, err)
	require.True(t, ok)
	s.Mode = "all"
	require.NoError(t, b.EditSchedule(t.Context(), s))
	s, err = b.ScheduleByName(t.Context(), "nightly")
	require.NoError(t, err)
	require.Equal(t, "all", s.Mode)
	require.Nil(t, s.NextRunAt, "an edit does not resume it")
	require.Equal(t, "the source moves", *s.PausedNote)
	ok, err = b.ResumeSchedule(t.Context(), s.ID, due)
	require.NoError(t, err)
	require.True(t, ok)

	run, err := b.RunNow(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, db.RunReading, run.Status)
	require.True(t, run.ByHand)
	again, err := b.RunNow(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, db.RunSkipped, again.Status)
	runs, err := b.ScheduleRuns(t.Context(), s.ID, 10)
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, again.Run, runs[0].Run, "the newest first")
	list, err := b.Schedules(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	require.Len(t, list, 1)

	require.NoError(t, b.RemoveSchedule(t.Context(), s.ID))
	list, err = b.Schedules(t.Context(), "")
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
	start := func(skip ...int) (db.Schedule, error) {
		return b.StartDue(t.Context(), db.StartDueParams{
			SiteID: b.site.ID, Skip: skip, Now: due,
			Judge: func(s db.Schedule, _ time.Time) (db.Occurrence, error) {
				if s.ID == broken.ID {
					return db.Occurrence{}, db.ErrRunLost
				}
				return db.Occurrence{Next: &next, Run: &due}, nil
			},
			Queue: func(context.Context, pgx.Tx, []db.QueueRun) error { return nil },
		})
	}
	s, err := start()
	require.ErrorIs(t, err, db.ErrRunLost)
	require.Equal(t, "broken", s.Name)
	s, err = start(broken.ID)
	require.NoError(t, err)
	require.Equal(t, well.ID, s.ID)
	s, err = start(broken.ID)
	require.NoError(t, err)
	require.Zero(t, s.ID, "nothing else is due")
	at, err := b.NextDue(t.Context(), b.site.ID)
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
	b.exec(t, `
		INSERT INTO schedule_run (schedule_id, due_at, status, finished_at)
		SELECT $1, now(), 'done', now() FROM generate_series(1, 1005)`, s.ID)
	first := value[int64](t, b, `SELECT min(id) FROM schedule_run WHERE schedule_id = $1`, s.ID)
	b.exec(t, `UPDATE schedule_run SET drops_plan = true WHERE id = $1`, first)
	started, err := b.StartDue(t.Context(), db.StartDueParams{
		SiteID: b.site.ID, Now: due,
		Judge: func(db.Schedule, time.Time) (db.Occurrence, error) { return db.Occurrence{Next: &next, Run: &due}, nil },
		Queue: func(context.Context, pgx.Tx, []db.QueueRun) error { return nil },
	})
	require.NoError(t, err)
	require.Equal(t, s.ID, started.ID)
	require.EqualValues(t, 1002, value[int64](t, b, `SELECT count(*) FROM schedule_run WHERE schedule_id = $1`, s.ID),
		"1,000, the one that still has to drop its plan, and the new one")
	require.Equal(t, first+5, value[int64](t, b, `SELECT min(id) FROM schedule_run WHERE schedule_id = $1 AND NOT drops_plan`, s.ID))
}
