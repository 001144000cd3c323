package cli

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// A cell with the marker empties an alt text. An asset that has none already, or an empty one, needs no call.
func TestEmptyAltText(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 4})
	b.api.SetAltText(standin.AssetID(0), "", "A dog")
	b.api.SetAltText(standin.AssetID(1), "", "")
	b.api.SetAltText(standin.AssetID(3), "", "A cat")
	b.file("alt.csv", csvText(t, "asset_id,display_name,alt_text",
		[]string{standin.AssetID(0), "", "[empty]"},
		[]string{standin.AssetID(1), "", "[empty]"},
		[]string{standin.AssetID(2), "", " [Empty]"},
		[]string{standin.AssetID(3), "cat.jpg", ""},
	))
	r := b.ok("plan", "alt.csv")
	require.Contains(t, r.stdout, "4 rows: 2 to change, 2 unchanged")
	require.Contains(t, r.stdout, `alt text "A dog" → (emptied)`)
	b.ok("apply", "1")
	b.ok("work", "--until-done")
	require.Equal(t, 2, b.patches())
	require.Empty(t, *b.api.AltText(standin.AssetID(0), ""))
	require.Nil(t, b.api.AltText(standin.AssetID(2), ""))
	require.Equal(t, "A cat", *b.api.AltText(standin.AssetID(3), ""), "a blank cell leaves it alone")
	require.Contains(t, b.ok("why", standin.AssetID(0)).stdout, "an empty alt text")
	require.EqualValues(t, 2, b.ok("verify", "1", "--json").json()["asked"])

	b.ok("results", "1", "-o", "results.csv")
	require.Equal(t, 3, strings.Count(b.read("results.csv"), ",[empty],"))
	require.Contains(t, b.ok("results", "1", "--json").stdout, `"alt_text":""`)
	require.EqualValues(t, 0, b.ok("plan", "results.csv", "--json").json()["change"], "the results load back")
	b.ok("pull", "-o", "site.csv")
	require.EqualValues(t, 0, b.ok("plan", "site.csv", "--json").json()["change"])

	b.ok("undo", "1", "--apply", "--yes")
	b.ok("work", "--until-done")
	require.Equal(t, "A dog", *b.api.AltText(standin.AssetID(0), ""))
}

// An undo of an alt text where there was none sends an empty one: the API takes no null.
func TestUndoPutsBackNoAltText(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 1})
	b.file("alt.csv", csvText(t, "asset_id,alt_text", []string{standin.AssetID(0), "A dog"}))
	b.ok("run", "alt.csv", "--snapshot")
	require.Equal(t, "A dog", *b.api.AltText(standin.AssetID(0), ""))
	r := b.ok("undo", "1", "--apply", "--yes")
	require.Contains(t, r.stdout, `alt text "A dog" → (emptied)`)
	b.ok("work", "--until-done")
	require.Empty(t, *b.api.AltText(standin.AssetID(0), ""))
	log := b.api.Log()
	require.NotNil(t, log[len(log)-1].AltText)
	require.Contains(t, b.ok("results", "2").stdout, ",[empty],")
	require.Contains(t, b.ok("rows", "list", "--batch", "2", "--csv").stdout, ",[empty],")
}

// A text of the user's own can be the marker. A literal [empty] then survives the results.
func TestOwnEmptyMarker(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2})
	b.api.SetAltText(standin.AssetID(0), "", "A dog")
	b.file("alt.csv", csvText(t, "asset_id,alt_text", []string{standin.AssetID(0), "none"}, []string{standin.AssetID(1), "[empty]"}))
	b.ok("run", "alt.csv", "--empty", "NONE")
	require.Empty(t, *b.api.AltText(standin.AssetID(0), ""))
	require.Equal(t, "[empty]", *b.api.AltText(standin.AssetID(1), ""))
	b.ok("results", "1", "-o", "results.csv")
	b.ok("pull", "-o", "site.csv")
	for _, file := range []string{"results.csv", "site.csv"} {
		require.EqualValues(t, 0, b.ok("plan", file, "--json").json()["change"], file)
	}
	b.run("plan", "alt.csv", "--empty", " ").fails(exitUsage, "--empty takes a text, such as [empty]")
	b.file("name.csv", csvText(t, "asset_id,display_name", []string{standin.AssetID(0), "[empty]"}))
	require.Contains(t, b.run("plan", "name.csv").exits(exitError).stderr, "only an alt text can be emptied")
}

// localeNames is a CSV with a name of the primary locale, two of secondary ones, and an alt text.
func localeNames(t *testing.T, primary string) string {
	t.Helper()
	return csvText(t, "asset_id,locale_id,display_name,alt_text",
		[]string{standin.AssetID(0), primary, "name.jpg", ""},
		[]string{standin.AssetID(0), standin.FrenchLocale, "nom.jpg", "Un chien"},
		[]string{standin.AssetID(0), standin.GermanLocale, "Name.jpg", ""},
		[]string{standin.AssetID(1), standin.GermanLocale, "", "Ein Hund"},
	)
}

// A name in a secondary locale is kept with a warning, dropped, or refused. The primary locale's own id is not secondary.
func TestNamesInLocales(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2})
	b.file("names.csv", localeNames(t, standin.PrimaryLocale))
	const warns = "2 rows set a display name in a secondary locale, such as line 3; Webflow's specification calls names not localizable"
	r := b.ok("plan", "names.csv")
	require.NotContains(t, r.stderr, "secondary locale", "once is enough")
	require.Contains(t, r.stdout, "check: 2 rows name assets in a secondary locale; Webflow's specification")
	require.Contains(t, r.stdout, "--names-in-locales drop")
	r = b.ok("enqueue", "names.csv")
	require.Contains(t, r.stderr, warns)
	require.Contains(t, r.stderr, "--names-in-locales drop or refuse prevents that")
	b.ok("batch", "cancel", "2")
	b.ok("pull", "--locales", "all", "-o", "site.csv")
	require.NotContains(t, b.ok("plan", "site.csv").stdout, "secondary locale", "its names are as they were")

	r = b.run("enqueue", "names.csv", "--names-in-locales", "refuse").exits(exitError)
	for _, part := range []string{`line 3, display_name "nom.jpg": a name in a secondary locale`, "line 4, display_name", "2 rows are invalid, so nothing was loaded"} {
		require.Contains(t, r.stderr, part)
	}
	r = b.ok("run", "names.csv", "--names-in-locales", "drop")
	require.Contains(t, r.stderr, "the display name was dropped from 2 rows of secondary locales, such as line 3; 1 row was left with nothing to set and is not loaded")
	require.Equal(t, 3, b.patches())
	for _, c := range b.api.Log() {
		require.True(t, c.DisplayName == nil || *c.DisplayName == "name.jpg")
	}
	require.Equal(t, "Un chien", *b.api.AltText(standin.AssetID(0), standin.FrenchLocale))
	b.file("one.csv", inLocale(standin.FrenchLocale, "nom.jpg"))
	b.run("run", "one.csv", "--names-in-locales", "drop").fails(exitError, "sets nothing but names in secondary locales")
	b.run("run", "one.csv", "--names-in-locales", "no").fails(exitUsage, "--names-in-locales is keep, drop or refuse")
}

// Where nobody can say which locale is the primary one, no name is dropped.
func TestNamesInLocalesNeedPrimary(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2})
	b.file("names.csv", localeNames(t, standin.PrimaryLocale))
	b.api.FailNext(standin.Status(http.StatusForbidden))
	b.run("enqueue", "names.csv", "--names-in-locales", "drop").fails(exitError, "nothing was loaded", "the primary one", "sites:read")
	require.NotContains(t, b.ok("run", "names.csv", "--rehearse", "--names-in-locales", "drop").stderr, "dropped", "a rehearsal asks nobody")
	b.ok("enqueue", "names.csv", "--names-in-locales", "drop")
}

// A schedule has the same settings.
func TestScheduleTexts(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2})
	b.api.SetAltText(standin.AssetID(0), "", "A dog")
	b.file("names.csv", csvText(t, "asset_id,locale_id,display_name,alt_text",
		[]string{standin.AssetID(0), "", "", "none"},
		[]string{standin.AssetID(1), standin.FrenchLocale, "nom.jpg", "Un chien"},
	))
	b.ok("schedule", "add", "nightly", "names.csv", "--cron", "@daily", "--names-in-locales", "drop", "--empty", "none")
	v := b.ok("schedule", "show", "nightly", "--json").json()
	require.Equal(t, []any{"drop", "none"}, []any{v["names_in_locales"], v["empty"]})
	b.ok("schedule", "run", "nightly")
	b.ok("work", "--until-done")
	require.Empty(t, *b.api.AltText(standin.AssetID(0), ""))
	require.Equal(t, "asset-000002.jpg", b.api.Name(standin.AssetID(1), standin.FrenchLocale))
	require.Equal(t, "Un chien", *b.api.AltText(standin.AssetID(1), standin.FrenchLocale))
	b.ok("schedule", "edit", "nightly", "--names-in-locales", "keep", "--empty", "")
	require.NotContains(t, b.ok("schedule", "show", "nightly").stdout, "emptied by")
}

// With --detailed-exitcode a plan's exit code says whether anything would change.
func TestPlanDetailedExitCode(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 2})
	b.file("names.csv", names(2))
	b.ok("plan", "names.csv")
	r := b.run("plan", "names.csv", "--detailed-exitcode").exits(exitChanges)
	require.Contains(t, r.stdout, "next: relabel apply 2")
	require.EqualValues(t, 2, b.run("plan", "names.csv", "--detailed-exitcode", "--json").exits(exitChanges).json()["change"])
	b.ok("run", "names.csv")
	b.ok("plan", "names.csv", "--detailed-exitcode")
	b.run("plan", "nowhere.csv", "--detailed-exitcode").fails(exitError, "no such file")
}
