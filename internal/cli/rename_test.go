package cli

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// setupNames is a site with some names of cameras and of people.
func setupNames(t *testing.T) *testBundle {
	t.Helper()
	b := setupSite(t, standin.Config{Assets: 7})
	for i, name := range []string{"IMG_2.jpg", "IMG_10.jpg", "img_3.png", "hero-001.jpg", "Our Team.jpg", "Our team.jpg", "logo.svg"} {
		require.True(t, b.api.SetName(standin.AssetID(i), "", name))
	}
	b.api.SetAltText(standin.AssetID(6), "", "the logo")
	return b
}

func TestRename(t *testing.T) {
	b := setupNames(t)
	id := standin.AssetID
	r := b.ok("rename", "--match", "IMG_*", "--template", "hero-{n:03}{ext}")
	t.Log("\n" + r.stdout)
	for _, want := range []string{
		`Plan 1 "rename" for site default: 2 rows would change`,
		`line 1, ` + id(0) + `: "IMG_2.jpg" → "hero-001.jpg"`,
		`line 2, ` + id(1) + `: "IMG_10.jpg" → "hero-002.jpg"`,
		"the rule: of 7 assets, 2 match\n",
		`check: 1 new name would belong to several assets, such as "hero-001.jpg" to 2; --skip-taken leaves`,
		`"hero-001.jpg": 2 assets; ` + id(3) + ` has this name already`,
		"next: relabel apply 1, then relabel work --until-done",
	} {
		require.Contains(t, r.stdout, want)
	}
	require.Zero(t, b.patches())
	calls := len(b.api.Log())
	v := b.ok("rename", "--match", "IMG_*", "-i", "--template", "hero-{n:03}", "--skip-taken", "--json").json()
	require.Len(t, b.api.Log(), calls, "the plan and the rule use one reading, which the next rule uses too")
	require.Equal(t, []any{2., 3., 3., 0.}, []any{v["batch"], v["rows"], v["change"], v["reads"]})
	facts := v["rule"].(map[string]any)
	require.Equal(t, []any{7., 3., 0., 0., nil}, []any{facts["assets"], facts["matched"], facts["unchanged"], facts["collisions"], facts["name"]})
	require.Equal(t, "--match 'IMG_*' --ignore-case --template 'hero-{n:03}' --skip-taken", facts["flags"])
	b.ok("apply", "2")
	b.ok("work", "--until-done")
	require.Equal(t, []string{"hero-002.jpg", "hero-004.jpg", "hero-003.png"}, []string{b.api.Name(id(0), ""), b.api.Name(id(1), ""), b.api.Name(id(2), "")})

	r = b.ok("rename", "--match", "IMG_*", "-i", "--template", "hero-{n:03}")
	require.Contains(t, r.stdout, "nothing to rename: none of 7 assets matches", "what was sent since the reading is known")
	v = b.ok("rename", "--match", "hero-*", "--find", "hero", "--replace", "hero", "--json", "--fresh").json()
	require.Equal(t, []any{0., []any{}}, []any{v["batch"], v["changes"]})
	require.Equal(t, 4., v["rule"].(map[string]any)["unchanged"])

	b.ok("undo", "2", "--apply", "--yes")
	b.ok("work", "--until-done")
	require.Equal(t, "IMG_10.jpg", b.api.Name(id(1), ""))
}

func TestRenameAltTexts(t *testing.T) {
	b := setupNames(t)
	r := b.ok("rename", "--missing-alt", "--match", "Our*", "--alt-template", "Photo: {stem|words|title}")
	require.Contains(t, r.stdout, `alt text "" → "Photo: Our Team"`)
	r = b.ok("rename", "--missing-alt", "--locale", "fr-FR", "--match", "logo*", "--alt-template", "Logo")
	require.Contains(t, r.stdout, "nothing to rename: none of 7 assets matches")
	r = b.ok("rename", "--locale", "fr-FR", "--match", "logo*", "--template", "le-logo{ext}")
	require.Contains(t, r.stderr, "1 row sets a display name in a secondary locale")
	require.NotContains(t, r.stdout+r.stderr, "--names-in-locales", "a rule has no such setting")
	r = b.ok("rename", "--locale", "fr-FR", "--match", "logo*", "--alt-template", "Le logo")
	require.Contains(t, r.stdout, standin.AssetID(6)+" in "+standin.FrenchLocale+`: alt text "the logo" → "Le logo"`)
	b.run("rename", "--locale", "pt-BR", "--alt-template", "x").fails(exitError, "the site has no such locale")
}

func TestRenameByFolder(t *testing.T) {
	b := setupNames(t)
	const team, below = "6390c49774a71f99f21a08eb", "6390c49774a71f99f21a08ec"
	b.api.AddFolder(team, "Team", "")
	b.api.AddFolder(below, "2026", team)
	b.api.MoveAsset(standin.AssetID(4), team)
	b.api.MoveAsset(standin.AssetID(5), below)
	plan := func(folder string) string {
		return b.ok("rename", "--folder", folder, "--template", "{folder}-{stem|slug}-{n}{ext}").stdout
	}
	require.Contains(t, plan("Team"), `"Our Team.jpg" → "Team-our-team-2.jpg"`)
	require.Contains(t, plan(team), `"Our team.jpg" → "2026-our-team-1.jpg"`)
	require.Contains(t, plan("/Team/2026/"), "of 7 assets, 1 matches")
	b.run("rename", "--folder", "Tem", "--template", "x{n}").fails(exitUsage, `--folder: the site has no folder "Tem"; a similar name is "Team"`)
}

func TestRenameTrouble(t *testing.T) {
	b := setupNames(t)
	b.run("rename").fails(exitUsage, "--template: the rule changes nothing")
	b.run("rename", "--find", "a(b").fails(exitUsage, `--find: character 2: the "(" has no ")" after it`)
	b.run("rename", "--template", "{stem}-{m}").fails(exitUsage, "--template: character 8: there is no field {m}")
	b.run("rename", "--template", "x{n}", "--larger-than", "big").fails(exitUsage, `--larger-than: "big" is not a size`)
	b.run("rename", "--find", "a", "--find", "b", "--replace", "c").fails(exitUsage, "each --find goes with one --replace: there are 2 and 1")
	b.run("rename", "--template", "x{n}", "--save", "No").fails(exitUsage, "--save: a rule's name is")
	b.run("rename", "--template", "x{n}", "--overwrite").fails(exitUsage, "--overwrite goes with --save")
	b.run("rename", "--rule", "tidy", "--match", "x").fails(exitUsage, "--rule tidy and --match: give one of them")
	b.run("rename", "--rule", "tidy").fails(exitError, "no such rule: tidy; `relabel rule list`")
	b.run("rename", "--template", "x{n}", "--priority", "9").fails(exitUsage, "--priority")
	require.Empty(t, b.api.Log(), "all this is found before the site is read")

	b.api.SetToken(testToken, standin.TokenForbidden)
	b.run("rename", "--template", "x{n}").fails(exitError, "assets:read")
	b.ok("site", "set", "--site", "shop")
	b.run("rename", "--site", "shop", "--template", "x{n}").fails(exitError, "`relabel site set --site shop --site-id ID`")
}

func TestSavedRules(t *testing.T) {
	b := setupNames(t)
	require.Empty(t, b.ok("rule", "list").stdout)
	r := b.ok("rename", "--match", "* *", "--template", "{stem|slug}{ext|lower}", "--save", "tidy")
	require.Contains(t, r.stderr, "rule tidy is saved; `relabel rename --rule tidy` uses it again")
	require.Contains(t, r.stdout, `Plan 1 "rule tidy" for site default: 2 rows would change`)
	require.Contains(t, r.stdout, `"our-team.jpg": 2 assets, such as `)
	calls := len(b.api.Log())
	b.run("rename", "--find", "x", "--save", "tidy", "--fresh").fails(exitError, "there is a rule of that name already: tidy; --overwrite replaces it")
	require.Len(t, b.api.Log(), calls, "that is found before the site is read")
	b.ok("rename", "--match", "*_*", "--find", "_", "--replace", "-", "--save", "tidy", "--overwrite")
	r = b.ok("rule", "show", "tidy")
	require.Equal(t, "relabel rename --match '*_*' --find _ --replace -\n", r.stdout)
	v := b.ok("rename", "--rule", "tidy", "--json").json()
	require.Equal(t, []any{"rule tidy", "rule tidy", 3.}, []any{v["name"], v["source"], v["change"]})

	require.Regexp(t, `tidy +\S.* +--match`, b.ok("rule", "list").stdout)
	require.Len(t, b.ok("rule", "list", "--json").json()["rules"], 1)
	one := b.ok("rule", "show", "tidy", "--json").json()
	require.Equal(t, []any{"*_*"}, one["definition"].(map[string]any)["match"])
	require.Equal(t, []string{"tidy\t--match '*_*' --find _ --replace -"}, b.offers("rename", "--rule", ""))
	require.Equal(t, []string{"tidy\t--match '*_*' --find _ --replace -"}, b.offers("rule", "delete", "t"))

	b.run("schedule", "add", "nightly", "--rule", "other", "--cron", "@daily").fails(exitError, "no such rule: other")
	b.run("schedule", "add", "nightly", "--rule", "tidy", "--cron", "@daily", "--max-change", "20%").fails(exitUsage, "--max-change is a number with a rule")
	b.run("schedule", "add", "nightly", "--rule", "tidy", "--cron", "@daily", "--locales", "fr-FR").fails(exitUsage, "--locales goes with a file")
	b.ok("schedule", "add", "nightly", "--rule", "tidy", "--cron", "@daily", "--max-change", "20")
	require.Contains(t, b.ok("schedule", "show", "nightly").stdout, "rule tidy")
	b.run("rule", "delete", "tidy").fails(exitError, "the rule is used by a schedule, nightly: `relabel schedule edit`")
	b.file("names.csv", names(1))
	b.ok("schedule", "edit", "nightly", "names.csv")
	require.Equal(t, "tidy", b.ok("rule", "delete", "tidy", "--json").json()["removed"])
	b.run("rule", "delete", "tidy").fails(exitError, "no such rule: tidy")
	var audit []string
	rows, err := b.db().Pool().Query(t.Context(), `SELECT action || ' ' || subject FROM audit WHERE subject LIKE 'rule %' ORDER BY id`)
	require.NoError(t, err)
	audit, err = pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{"save rule tidy", "save rule tidy", "delete rule tidy", "delete rule tidy", "delete rule tidy"}, audit)
}
