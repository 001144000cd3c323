package schedule

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// saveRule saves the rule "tidy" of the bundle's site.
func (b *testBundle) saveRule(definition string) {
	b.t.Helper()
	require.NoError(b.t, b.SaveRule(b.t.Context(), b.site.ID, db.SavedRule{Name: "tidy", Definition: definition}, true))
}

func runsRule(s *scheduledb.Schedule) {
	name := "tidy"
	s.CSV, s.Rule = nil, &name
}

// New uploads get their names every night, and a night without any is a run like others.
func TestScheduleOfARule(t *testing.T) {
	t.Parallel()
	b := setup(t, 120)
	b.saveRule(`{"match": ["IMG_*"], "template": "hero-{n:03}{ext}", "skip_taken": true}`)
	b.add(runsRule)

	run := b.run(at2(1), scheduledb.RunDone)
	require.Nil(t, run.Batch)
	require.Contains(t, *run.Note, "rule tidy: nothing to rename: none of 120 assets matches")
	require.EqualValues(t, 3, run.Reads, "folders, and two pages")
	require.Zero(t, run.LookedAt)

	b.api.SetName(standin.AssetID(1), "", "IMG_1.jpg")
	b.api.SetName(standin.AssetID(0), "", "hero-001.jpg")
	run = b.run(at2(2), scheduledb.RunDone)
	require.Equal(t, []int64{1, 1, 1, 3, 1}, []int64{run.LookedAt, run.Different, run.Renamed, run.Reads, run.Writes})
	require.Equal(t, "hero-002.jpg", b.api.Name(standin.AssetID(1), ""))
	require.Nil(t, run.Note)

	b.api.AddAsset("aaaaaaaaaaaaaaaaaaaaaaaa", "IMG_7.png")
	b.run(at2(3), scheduledb.RunDone)
	require.Equal(t, "hero-001.png", b.api.Name("aaaaaaaaaaaaaaaaaaaaaaaa", ""))
	require.Equal(t, map[string]int{"GET": 9, "PATCH": 2}, b.calls())
	require.Equal(t, "ok", b.schedule().State)
}

// A run whose rule renames too much waits for a person; what several assets would share is
// in its note.
func TestHeldRuleRun(t *testing.T) {
	t.Parallel()
	b := setup(t, 4)
	b.saveRule(`{"match": ["asset-*"], "template": "same{ext}"}`)
	most := "3"
	b.add(func(s *scheduledb.Schedule) {
		runsRule(s)
		s.MaxChange = &most
	})
	run := b.run(at2(1), scheduledb.RunHeld)
	require.Contains(t, *run.Note, `1 new name would belong to several assets, such as "same.jpg" to 4`)
	require.Contains(t, *run.Error, "4 of 4 rows would change, more than --max-change 3")

	b.saveRule(`{"match": ["nothing"], "template": "same{ext}"}`)
	b.run(at2(2), scheduledb.RunDone)
	require.Equal(t, scheduledb.RunCancelled, b.runs()[0].Status, "a plan that waited is replaced")
	require.Equal(t, "ok", b.schedule().State)
}

func TestRuleTrouble(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	b.saveRule(`{"match": ["*"], "colour": "red", "template": "x{n}"}`)
	b.add(runsRule)
	run := b.run(at2(1), scheduledb.RunFailed)
	require.Contains(t, *run.Error, "rule tidy: error reading the rule")
	b.saveRule(`{"folder": ["Team"], "template": "x{n}"}`)
	run = b.run(at2(2), scheduledb.RunFailed)
	require.Contains(t, *run.Error, `folder: the site has no folder "Team"`)
	require.ErrorIs(t, b.DeleteRule(t.Context(), b.site.ID, "tidy"), db.ErrRuleUsed)
}

func TestRuleSettings(t *testing.T) {
	t.Parallel()
	share, columns := "20%", "asset_id=Ref"
	for want, change := range map[string]func(*scheduledb.Schedule){
		"":                                      func(*scheduledb.Schedule) {},
		"max-change is a number with a rule":    func(s *scheduledb.Schedule) { s.MaxChange = &share },
		"map goes with a file or a query":       func(s *scheduledb.Schedule) { s.ColumnMap = &columns },
		"sheet and --ambiguous go with a file":  func(s *scheduledb.Schedule) { s.Ambiguous = "all" },
		"locales goes with a file or a query":   func(s *scheduledb.Schedule) { s.Locales = []string{"fr-FR"} },
		"mode is changed with a rule, whose ro": func(s *scheduledb.Schedule) { s.Mode = "all" },
	} {
		s := scheduledb.Schedule{Name: "nightly", Cron: "@daily", TimeZone: "UTC", Mode: "changed", Overlap: "skip"}
		runsRule(&s)
		change(&s)
		err := Sources{}.Check(scheduledb.Schedule{}, s)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, want)
	}
}
