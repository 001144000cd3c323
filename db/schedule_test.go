package db_test

import (
	"testing"
	"time"

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
	require.Equal(t, "reading", run.Status)
	require.True(t, run.ByHand)
	again, err := b.RunNow(t.Context(), s.ID)
	require.NoError(t, err)
	require.Equal(t, "skipped", again.Status)
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
