package schedule

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/usecase"
)

// A changed setting leaves a run that is due due; changed times begin anew. Both are in the audit log.
func TestSave(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	site, err := d.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	use, by := &usecase.Service{DB: d, Logger: slog.New(slog.DiscardHandler)}, usecase.Actor{Name: "ann", Via: usecase.ViaDashboard}
	s := scheduledb.Schedule{Name: "nightly", SiteID: site.ID, Cron: "@daily", TimeZone: "UTC", Mode: "changed", Overlap: "skip"}
	require.ErrorContains(t, Sources{}.Save(t.Context(), use, by, scheduledb.Schedule{}, s), "source is missing")
	require.NoError(t, SetCSV(&s, "/srv/names.csv"))
	require.NoError(t, Sources{}.Save(t.Context(), use, by, scheduledb.Schedule{}, s))

	due := time.Now().Add(-time.Minute).Truncate(time.Second)
	_, err = d.Pool().Exec(t.Context(), `UPDATE schedule SET next_run_at = $1`, due)
	require.NoError(t, err)
	before, err := scheduledb.ByName(t.Context(), d, "nightly")
	require.NoError(t, err)
	s = before
	s.SkipInvalid = true
	require.NoError(t, Sources{}.Save(t.Context(), use, by, before, s))
	after, err := scheduledb.ByName(t.Context(), d, "nightly")
	require.NoError(t, err)
	require.True(t, after.SkipInvalid)
	require.True(t, after.NextRunAt.Equal(due), "the run is still due")

	s.Cron = "@hourly"
	require.NoError(t, Sources{}.Save(t.Context(), use, by, before, s))
	after, err = scheduledb.ByName(t.Context(), d, "nightly")
	require.NoError(t, err)
	require.True(t, after.NextRunAt.After(time.Now().Add(-time.Second)))

	entries, err := records.AuditEntries(t.Context(), d, "schedule nightly", 0, 9)
	require.NoError(t, err)
	require.Len(t, entries, 3)
	require.Equal(t, []string{"edit", "edit", "add"}, []string{entries[0].Action, entries[1].Action, entries[2].Action})
}
