package cli

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// setupSite is setup with the site's id set.
func setupSite(t *testing.T, cfg standin.Config) *testBundle {
	t.Helper()
	b := setup(t, cfg)
	b.ok("site", "set", "--site-id", standin.SiteID)
	return b
}

// patches are the calls that rename.
func (b *testBundle) patches() (n int) {
	for _, c := range b.api.Log() {
		if c.Method == "PATCH" {
			n++
		}
	}
	return n
}

// csvText is a CSV of some rows below a header.
func csvText(t *testing.T, header string, rows ...[]string) string {
	t.Helper()
	var text strings.Builder
	w := csv.NewWriter(&text)
	require.NoError(t, w.Write(strings.Split(header, ",")))
	for _, r := range rows {
		require.NoError(t, w.Write(r))
	}
	w.Flush()
	return text.String()
}

// A plan writes nothing, tells what it would do, and is then sent as it was shown.
func TestPlanApply(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 300}).with("WEBFLOW_RATE_LIMIT", "60/1s")
	b.api.SetName(standin.AssetID(0), "", "has it.jpg")
	b.file("names.csv", csvText(t, "asset_id,display_name",
		[]string{standin.AssetID(0), "has it.jpg"},
		[]string{standin.AssetID(1), "first.jpg"},
		[]string{standin.AssetID(1), "second.jpg"},
		[]string{standin.AssetID(2), "loses its extension"},
		[]string{"0000000000000000dead0000", "nowhere.jpg"},
		[]string{"bad", "x"},
	))
	p := b.ok("plan", "names.csv", "--skip-invalid", "--json").json()
	for key, want := range map[string]any{
		"batch": 1., "rows": 6., "change": 2., "unchanged": 1., "unknown": 1., "conflict": 0., "invalid": 1., "superseded": 1.,
		"calls": 2., "read_by": "both", "reads": 2., "status": "planned", "loses_extension": 1.,
	} {
		require.Equal(t, want, p[key], key)
	}
	for _, key := range []string{"seconds", "ends_at", "planned_at", "columns", "name", "site", "source"} {
		require.Contains(t, p, key)
	}
	require.NotNil(t, p["ends_at"])
	require.Zero(t, b.patches())

	r := b.ok("plan", "names.csv", "--skip-invalid")
	t.Log("\n" + r.stdout + r.stderr)
	require.Contains(t, r.stdout, `"asset-000002.jpg" → "second.jpg"`)
	require.Contains(t, r.stdout, "6 rows: 2 to change, 1 unchanged, 1 of unknown assets, 1 invalid, 1 superseded by a later row")
	require.Contains(t, r.stdout, "check: 1 name loses its extension")
	require.Contains(t, r.stdout, "what would not be sent, by cause:")
	require.Contains(t, r.stdout, "next: relabel apply 2")
	r = b.ok("status", "2")
	t.Log("\n" + r.stdout)
	require.Contains(t, r.stdout, "`relabel apply 2` sends what is pending")
	require.Contains(t, b.ok("results", "2").stdout, ",second.jpg,,pending,")
	require.Contains(t, b.ok("results", "2", "--json").stdout, `"before_name":"asset-000002.jpg"`)
	b.run("batch", "pause", "2").fails(exitError, "batch 2 is a plan", "`relabel batch cancel 2` discards it")
	require.Contains(t, b.ok("batch", "cancel", "2").stdout, "is cancelled")
	b.run("apply", "2").fails(exitError, "batch 2 is already cancelled", "`relabel plan SOURCE` makes one")
	b.run("apply", "9").fails(exitError, "no such batch: 9")
	require.Zero(t, b.patches())

	r = b.ok("apply", "1")
	t.Log("\n" + r.stdout)
	require.Contains(t, r.stdout, "next: relabel work --until-done")
	b.run("apply", "1").fails(exitError, "batch 1 is already active")
	b.run("work", "--until-done").exits(exitTrouble)
	require.Equal(t, 2, b.patches())
	require.Equal(t, "second.jpg", b.api.Name(standin.AssetID(1), ""))
	v := b.status("1")
	require.Equal(t, []any{2., 1., 1., 1., 1., "done"}, []any{v["succeeded"], v["unchanged"], v["failed"], v["invalid"], v["superseded"], v["status"]})
}

// What somebody changed after the plan is left alone when an old plan is applied, unless it is taken over.
func TestApplyOldPlan(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 5})
	b.file("names.csv", names(5))
	b.ok("plan", "names.csv")
	b.api.SetName(standin.AssetID(0), "", "by hand.jpg")
	b.api.SetName(standin.AssetID(1), "", "name 1.jpg") // as wanted
	b.agePlans()
	r := b.ok("apply", "1")
	t.Log("\n" + r.stdout + r.stderr)
	require.Contains(t, r.stderr, "the plan is older than 15 min: reading the site again")
	b.run("work", "--until-done").exits(exitTrouble)
	v := b.status("1")
	require.Equal(t, []any{3., 1., 1.}, []any{v["succeeded"], v["unchanged"], v["conflict"]})
	require.Equal(t, "by hand.jpg", b.api.Name(standin.AssetID(0), ""))
	r = b.ok("status", "1")
	require.Contains(t, r.stdout, `changed by somebody else: the name was "asset-000001.jpg" and is "by hand.jpg"`)
	t.Log("\n" + r.stdout)

	b.ok("plan", "names.csv")
	b.api.SetName(standin.AssetID(0), "", "by hand again.jpg")
	b.agePlans()
	b.ok("apply", "2", "--take-over")
	b.ok("work", "--until-done")
	require.Equal(t, "name 0.jpg", b.api.Name(standin.AssetID(0), ""))
}

// agePlans lets time pass.
func (b *testBundle) agePlans() {
	b.t.Helper()
	_, err := b.db().Pool().Exec(b.t.Context(), `UPDATE batch SET planned_at = planned_at - interval '16 min' WHERE status = 'planned'`)
	require.NoError(b.t, err)
}

// A row that says which name it expects is sent only where that is the name; the site is read for it.
func TestExpectedName(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	b.file("names.csv", csvText(t, "asset_id,display_name,expected_name",
		[]string{standin.AssetID(0), "new.jpg", "asset-000001.jpg"},
		[]string{standin.AssetID(1), "new.jpg", "another.jpg"},
		[]string{standin.AssetID(2), "new.jpg", ""},
	))
	r := b.run("run", "names.csv").exits(exitTrouble)
	require.Contains(t, r.stderr, "(expected_name): reading the site first")
	require.Contains(t, r.stdout, `the name is not as expected: it is "asset-000002.jpg", not "another.jpg"`)
	require.Equal(t, 2, b.patches())
	require.Equal(t, "asset-000002.jpg", b.api.Name(standin.AssetID(1), ""))
	b.ok("batch", "retry", "1", "--status", "conflict")
	b.ok("work", "--until-done")
	require.Equal(t, "new.jpg", b.api.Name(standin.AssetID(1), ""))
}

func TestRunPlan(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 3})
	b.file("names.csv", strings.Replace(names(3), "display_name", "New name", 1))
	const mapping = "display_name=New name"
	r := b.run("run", "names.csv", "--plan", "--map", mapping).exits(exitUsage)
	require.Equal(t, mapping, b.status("1")["column_map"], "kept with the batch")
	require.Contains(t, r.errorLine(), "--yes")
	require.Contains(t, r.stderr, "`relabel apply 1` sends the plan")
	require.Contains(t, r.stdout, `Plan 1 "names.csv" for site default: 3 rows would change`)
	require.Zero(t, b.patches())
	b.ok("run", "names.csv", "--plan", "--yes", "--map", mapping)
	require.Equal(t, 3, b.patches())
	require.Equal(t, 0., b.ok("plan", "names.csv", "--map", mapping, "--json").json()["change"])
}

// A plan that can't be made leaves nothing that could be applied.
func TestPlanTrouble(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 3})
	b.file("names.csv", names(3))
	b.api.SetToken(testToken, standin.TokenForbidden)
	b.run("plan", "names.csv").fails(exitError, "there is no plan", "assets:read")
	b.api.SetToken(testToken, standin.TokenInvalid)
	b.run("plan", "names.csv").fails(exitParked, "there is no plan", "401", "`relabel site check`")
	b.run("enqueue", "names.csv", "--snapshot").fails(exitParked, "401")
	b.api.SetToken(testToken, standin.TokenValid)
	b.ok("site", "set", "--site-id", "0000000000000000dead0000")
	b.run("plan", "names.csv").fails(exitError, "Webflow has no site with the id 0000000000000000dead0000", "`relabel site set --site-id ID` sets it")
	b.run("plan", "none.csv").fails(exitError, "none.csv")
	for _, id := range []string{"1", "2", "3", "4"} {
		b.run("apply", id).fails(exitError, "no such batch: "+id)
	}
	require.Zero(t, b.patches())
}

// Undo puts back what still holds what was sent, and leaves alone what somebody changed since.
func TestUndo(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 6, Normalise: strings.TrimSpace})
	id := standin.AssetID
	b.api.SetAltText(id(0), "", "an alt text")
	b.file("names.csv", csvText(t, "asset_id,display_name,alt_text",
		[]string{id(0), "zero.jpg", "another alt text"},
		[]string{id(1), " spaced.jpg ", ""}, // normalised by the server
		[]string{id(2), "two.jpg", ""},
		[]string{id(3), "three.jpg", ""},
		[]string{id(4), "", "its first alt text"},
		[]string{id(5), "asset-000006.jpg", ""}, // unchanged
	))
	b.ok("run", "names.csv", "--snapshot")
	b.api.SetName(id(2), "", "by hand.jpg")
	b.pipe("asset_id,display_name\n"+id(3)+",newer.jpg\n", "run", "-").exits(exitOK)

	r := b.ok("undo", "1")
	t.Log("\n" + r.stdout + r.stderr)
	require.Contains(t, r.stdout, "5 rows: 3 to change, 2 in conflict")
	require.Contains(t, r.stdout, `"spaced.jpg" → "asset-000002.jpg"`)
	require.Contains(t, r.stdout, `changed by batch 2: the name was "three.jpg" and is "newer.jpg"`)
	require.Contains(t, r.stdout, `changed by somebody else: the name was "two.jpg" and is "by hand.jpg"`)
	require.Contains(t, r.stdout, "`relabel apply 3 --take-over` sends them too")
	b.ok("apply", "3")
	b.run("work", "--until-done").exits(exitTrouble)
	require.Equal(t, []string{"asset-000001.jpg", "asset-000002.jpg", "by hand.jpg", "newer.jpg", "asset-000005.jpg"},
		[]string{b.api.Name(id(0), ""), b.api.Name(id(1), ""), b.api.Name(id(2), ""), b.api.Name(id(3), ""), b.api.Name(id(4), "")})
	require.Equal(t, "an alt text", *b.api.AltText(id(0), ""))
	require.Empty(t, *b.api.AltText(id(4), ""))

	t.Run("again", func(t *testing.T) {
		p := b.ok("undo", "1", "--json").json()
		require.Equal(t, []any{0., 3., 2., 1.}, []any{p["change"], p["unchanged"], p["conflict"], p["undoes"]})
	})
	t.Run("the undo itself", func(t *testing.T) {
		r := b.ok("undo", "3", "--apply", "--yes")
		require.Contains(t, r.stdout, "next: relabel work --until-done")
		b.ok("work", "--until-done")
		require.Equal(t, "zero.jpg", b.api.Name(id(0), ""))
		require.Equal(t, "spaced.jpg", b.api.Name(id(1), ""))
		require.Equal(t, "its first alt text", *b.api.AltText(id(4), ""))
	})
	t.Run("messages", func(t *testing.T) {
		b.run("undo", "2").fails(exitError, "batch 2 can't be undone: its old names weren't saved", "--snapshot save them")
		b.run("undo", "1", "--until", "3d").fails(exitError, "there is nothing to undo", "--since")
		b.run("undo", "1", "--status", "failed").fails(exitError, "there is nothing to undo")
		b.run("undo", "1", "--status", "unchanged").fails(exitUsage, "was not sent")
		b.run("undo", "1", "--since", "x").fails(exitUsage, "--since takes")
		b.run("undo", "1", "--yes").fails(exitUsage, "--apply")
		b.run("undo", "99").fails(exitError, "no such batch: 99")
		b.ok("plan", "names.csv")
		b.run("undo", b.lastBatch()).fails(exitError, "is a plan")
	})
}

func (b *testBundle) lastBatch() string {
	b.t.Helper()
	list := b.ok("status", "--json").json()["batches"].([]any)
	return fmt.Sprint(list[0].(map[string]any)["batch"])
}

// A verification tells each way in which an asset may differ from what was sent.
func TestVerify(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 6, Normalise: strings.TrimSpace})
	id := standin.AssetID
	b.file("names.csv", csvText(t, "asset_id,display_name",
		[]string{id(0), "as asked.jpg"}, []string{id(1), " normal.jpg "}, []string{id(2), "two.jpg"}, []string{id(3), "three.jpg"}, []string{id(4), "four.jpg"},
		[]string{"0000000000000000dead0000", "never there.jpg"}))
	b.run("run", "names.csv").exits(exitTrouble)
	r := b.ok("verify", "1")
	require.Contains(t, r.stdout, "of 5 rows that succeeded")
	b.pipe("asset_id,display_name\n"+id(2)+",newer.jpg\n", "run", "-").exits(exitOK)
	b.api.SetName(id(3), "", "=by hand")
	b.api.RemoveAsset(id(4))

	r = b.run("verify", "1", "-o", "verified.csv").exits(exitTrouble)
	t.Log("\n" + r.stdout + r.stderr + b.read("verified.csv"))
	require.Equal(t, "2 assets do not hold any more what batch 1 sent", r.errorLine())
	for _, text := range []string{
		"1 as asked", "1 normalised by Webflow", "1 renamed since by a later batch", "1 changed by somebody else", "1 gone",
		`normalised: " normal.jpg " → "normal.jpg"`, `batch 2 made it "two.jpg" → "newer.jpg"`, `changed: "three.jpg" → "=by hand"`,
	} {
		require.Contains(t, r.stdout, text)
	}
	rows, err := csv.NewReader(strings.NewReader(b.read("verified.csv"))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 1+5)
	require.Equal(t, "line,asset_id,locale_id,found,display_name,found_name,alt_text,found_alt_text,by_batch,last_updated", strings.Join(rows[0], ","))
	require.Equal(t, []string{"4", id(2), "", "renamed", "two.jpg", "newer.jpg", "", "", "2"}, rows[3][:9])
	require.Equal(t, []string{"changed", "three.jpg", "'=by hand"}, rows[4][3:6])

	v := b.run("verify", "1", "--json").exits(exitTrouble).json()
	for key, n := range map[string]float64{"rows": 5, "asked": 1, "normalised": 1, "renamed": 1, "changed": 1, "gone": 1} {
		require.Equal(t, n, v[key], key)
	}
	require.Len(t, v["examples"], 4)

	b.run("verify", "1", "--found", "changed", "-o", "changed.csv").exits(exitTrouble)
	b.ok("run", "changed.csv", "--force", "--quiet")
	require.Equal(t, "three.jpg", b.api.Name(id(3), ""))
	require.Contains(t, b.ok("verify", "2").stdout, "1 as asked")
	b.run("verify", "1", "--found", "x").fails(exitUsage, "--found")
	b.run("verify", "99").fails(exitError, "no such batch")
	b.ok("plan", "names.csv")
	b.run("verify", b.lastBatch()).fails(exitError, "is a plan")
}

// hardTexts are what a site may hold and a spreadsheet or a CSV may spoil.
func hardTexts() []string {
	return append(nastyNames(), "'", "''=x", "'plain", " outer spaces ", "\u00a0no-break\u00a0", "two\nlines", "cr\ralone", "crlf\r\nend", "tab\there",
		"\tfirst a tab", `quote"inside`, `""`, "semi;colon|pipe", "e\u0301 combining", "👩‍👩‍👧 family", "\u202Eoverride", "\uFEFFbom", "a\u0007bell",
		"#REF!", "1e10", "TRUE", "\\N", "\\.", "NULL", " ", "", strings.Repeat("long ", 500))
}

// A pull that nobody edits costs no call, whatever the site holds; an edited row costs one.
func TestPull(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 250})
	texts := hardTexts()
	for i, text := range texts {
		b.api.SetName(standin.AssetID(i), "", text)
		b.api.SetAltText(standin.AssetID(len(texts)-i), "", text)
		b.api.SetName(standin.AssetID(i), standin.FrenchLocale, "fr "+text)
	}
	b.api.SetName(standin.AssetID(249), "", "") // it has no alt text either
	before := map[string]string{}
	for i := range 250 {
		before[standin.AssetID(i)] = b.api.Name(standin.AssetID(i), "")
	}
	r := b.ok("pull", "-o", "assets.csv")
	require.Contains(t, r.stderr, "250 rows written to assets.csv")
	require.Empty(t, r.stdout)
	p := b.ok("plan", "assets.csv", "--json", "--quiet").json()
	require.Equal(t, []any{0., 0., 0.}, []any{p["calls"], p["invalid"], p["unknown"]})
	require.Equal(t, 249., p["rows"], "all but the one that has neither a name nor an alt text")

	t.Run("locales", func(t *testing.T) {
		v := b.ok("pull", "-o", "all.csv", "--locales", "all", "--json").json()
		require.Equal(t, []any{750., 11., []any{"", standin.FrenchLocale, standin.GermanLocale}}, []any{v["rows"], v["reads"], v["locales"]}, "nine pages, the folders and the locales")
		require.Equal(t, 0., b.ok("plan", "all.csv", "--json", "--quiet").json()["calls"])
		require.Equal(t, b.ok("pull", "--locales", "fr-FR").stdout, b.ok("pull", "--locales", "fr,fr-FR").stdout)
		b.run("pull", "--locales", "es-MX").fails(exitError, "locale es-MX", "en, fr-FR, de-DE")
		lines := strings.Count(b.ok("rows", "list", "--locale", "FR-fr", "--batch", "2", "--csv").stdout, standin.FrenchLocale)
		require.Positive(t, lines, "tags that were read are kept")
		require.Equal(t, lines, strings.Count(b.ok("rows", "list", "--locale", standin.FrenchLocale, "--batch", "2", "--csv").stdout, standin.FrenchLocale))
		require.Contains(t, b.ok("why", standin.AssetID(0), "--locale", "fr-FR").stdout, "fr ")
		b.run("rows", "list", "--locale", "es-MX").fails(exitUsage, `no locale "es-mx" is known`)
		b.run("why", standin.AssetID(0), "--locale", "es-MX").fails(exitUsage, "the locale's id always works")
	})
	t.Run("edited", func(t *testing.T) {
		text := strings.Replace(b.read("assets.csv"), "asset-000200.jpg", "edited.jpg", 1) // the name: it comes before the file's
		b.file("edited.csv", text)
		r := b.ok("run", "edited.csv", "--plan", "--yes", "--quiet", "--json").json()
		require.Equal(t, []any{1., 1.}, []any{r["calls"], r["succeeded"]})
		require.Equal(t, 1, b.patches())
		for id, name := range before {
			if got := b.api.Name(id, ""); got != "edited.jpg" {
				require.Equal(t, name, got)
			}
		}
	})
	t.Run("force sends each text as it was", func(t *testing.T) {
		b.ok("run", "assets.csv", "--force", "--quiet")
		for id, name := range before {
			require.Equal(t, name, b.api.Name(id, ""))
		}
	})
}

func TestPullTrouble(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	b.run("pull").fails(exitError, "the Webflow id of site default is not set", "`relabel site set --site-id ID`")
	b.run("pull", "--json").fails(exitUsage, "-o FILE")
	b.run("pull", "--locales", "all").fails(exitError, "`relabel site set --site-id ID`")
	b.ok("site", "set", "--site-id", standin.SiteID)
	b.api.SetToken(testToken, standin.TokenForbidden)
	b.run("pull", "-o", "a.csv").fails(exitError, "assets:read")
	require.NoFileExists(t, b.dir+"/a.csv")
	b.api.SetToken(testToken, standin.TokenValid)
	require.Equal(t, 1+3, strings.Count(b.ok("pull").stdout, "\n"))
}

// A corrected file takes the place of what is left of a batch.
func TestReplace(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 10})
	id := standin.AssetID
	b.enqueue(names(2))
	b.ok("work", "--until-done")
	b.enqueue(names(6), "--force")
	b.ok("batch", "pause", "2")
	b.file("new.csv", csvText(t, "asset_id,display_name",
		[]string{id(0), "name 0.jpg"}, // sent by batch 1
		[]string{id(1), "other.jpg"},
		[]string{id(2), "name 2.jpg"},
		[]string{id(3), "other 3.jpg"},
		[]string{id(8), "added.jpg"},
	))
	r := b.run("enqueue", "new.csv", "--replace", "2").exits(exitUsage)
	t.Log("\n" + r.stderr)
	require.Contains(t, r.stderr, "1 row stays, 2 get a new name, 1 is added, 2 are removed, 1 is already done")
	b.run("status", "3").fails(exitError, "no such batch: 3")
	require.Equal(t, "paused", b.status("2")["status"])

	r = b.ok("enqueue", "new.csv", "--replace", "2", "--yes")
	require.Equal(t, "4\n", r.stdout)
	v := b.status("2")
	require.Equal(t, []any{"cancelled", 4., 2., "replaced by batch 4"}, []any{v["status"], v["superseded"], v["cancelled"], v["status_reason"]})
	b.ok("work", "--until-done")
	require.Equal(t, 2+4, b.patches())
	require.Equal(t, []string{"name 0.jpg", "other.jpg", "name 2.jpg", "other 3.jpg", "asset-000005.jpg", "added.jpg"},
		[]string{b.api.Name(id(0), ""), b.api.Name(id(1), ""), b.api.Name(id(2), ""), b.api.Name(id(3), ""), b.api.Name(id(4), ""), b.api.Name(id(8), "")})

	b.run("enqueue", "new.csv", "--replace", "4", "--yes").fails(exitError, "batch 4 is done", "without --replace")
	b.run("enqueue", "new.csv", "--replace", "99").fails(exitError, "no such batch: 99")
	b.run("enqueue", "new.csv", "--yes").fails(exitUsage, "--replace")
	b.run("enqueue", "new.csv", "--replace", "0").fails(exitUsage, "--replace takes")
	b.ok("plan", "new.csv", "--force")
	b.run("enqueue", "new.csv", "--replace", "5", "--yes").fails(exitError, "batch 5 is a plan")

	b.enqueue(names(6), "--force")
	v = b.ok("enqueue", "new.csv", "--replace", "6", "--yes", "--json").json()
	require.Equal(t, []any{7., 6.}, []any{v["batch"], v["replaces"]})
	require.Equal(t, map[string]any{"kept": 0., "replaced": 0., "added": 0., "removed": 2., "sent": 5., "again": 0., "in_flight": 0.}, v["replacement"])
	v = b.status("6")
	require.Equal(t, []any{"cancelled", 4., 2., 7.}, []any{v["status"], v["superseded"], v["cancelled"], v["replaced_by"]})
	b.enqueue(names(2), "--force")
	b.file("two.csv", names(2))
	b.ok("enqueue", "two.csv", "--replace", "8", "--yes", "--force")
	require.Equal(t, 9., b.status("8")["replaced_by"], "all its rows are superseded, so it is done")
	require.Contains(t, b.ok("status", "8").stdout, "was replaced by batch 9")
	require.Regexp(t, `8 +replaced by 9 `, b.ok("status").stdout)
	require.Equal(t, 2+4, b.patches())
}

// A plan without any change waits for nobody, and what another batch has set since the
// site was read is not sent once more.
func TestNothingToSend(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 5})
	b.file("names.csv", names(5))
	b.ok("plan", "names.csv")
	b.ok("run", "names.csv")
	b.ok("apply", "1")
	require.Equal(t, []any{"done", 5., 0.}, b.counted("1", "status", "unchanged", "calls"))
	r := b.ok("plan", "names.csv")
	require.Contains(t, r.stdout, "next: nothing: the site is as the source wants it")
	require.Equal(t, "done", b.status("3")["status"])
	require.Contains(t, b.ok("run", "names.csv", "--plan").stdout, "is done")
	require.Equal(t, 5, b.patches())
}

func (b *testBundle) counted(id string, fields ...string) (out []any) {
	b.t.Helper()
	v := b.status(id)
	for _, f := range fields {
		out = append(out, v[f])
	}
	return out
}
