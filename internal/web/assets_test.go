package web

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
)

// Only files of Webflow's image hosts are shown, whatever the API says.
func TestPictureURL(t *testing.T) {
	t.Parallel()
	for _, hosted := range []string{
		"https://s3.amazonaws.com/webflow-prod-assets/63938b302ea6b0aa6f3d8745/63e5889e7fe4eafa7384cea4_Vectors-Wrapper.svg",
		"https://uploads-ssl.webflow.com/a/b.png", "https://assets.website-files.com/a/b%20c.png", "https://cdn.prod.website-files.com/a/b.png?x=1",
	} {
		require.Equal(t, hosted, pictureURL("image/png", hosted))
		require.Empty(t, pictureURL("application/pdf", hosted))
	}
	for _, hosted := range []string{
		"", "http://cdn.prod.website-files.com/a.png", "//cdn.prod.website-files.com/a.png", "https://cdn.prod.website-files.com.evil.example/a.png",
		"https://cdn.prod.website-files.com@evil.example/a.png", "https://user@cdn.prod.website-files.com/a.png", "https://cdn.prod.website-files.com:8443/a.png",
		"https://evil.example/https://cdn.prod.website-files.com/a.png", "https://s3.amazonaws.com/evil/a.png", "https://s3.amazonaws.com/webflow-prod-assets/../evil/a.png",
		"https://s3.amazonaws.com/webflow-prod-assets/%2e%2E/evil/a.png", `https://s3.amazonaws.com/webflow-prod-assets/..\evil/a.png`, "https://s3.amazonaws.com/webflow-prod-assets",
		`https://cdn.prod.website-files.com\@evil.example/a.png`, "https://cdn.prod.website-files.com/\ta.png", "javascript:alert(1)", "data:image/png;base64,AAAA", "https://%zz/",
	} {
		require.Empty(t, pictureURL("image/png", hosted), hosted)
	}
	require.Equal(t, []string{"JPEG", "SVG", "PDF", "DOCUMENT", ""}, []string{
		fileKind("image/jpeg"), fileKind("image/svg+xml"), fileKind("application/pdf; x"), fileKind("application/vnd.openxmlformats-officedocument.wordprocessingml.document"), fileKind(""),
	})
}

// read makes the dashboard read the site, and waits for its end.
func (b *testBundle) read(t testing.TB, c *browser) {
	t.Helper()
	require.Equal(t, "/assets?site=default", c.post("/assets/read", url.Values{"site": {db.DefaultSite}}).Header.Get("Location"))
	c.see("/assets", "Last read")
}

func TestAssetsPage(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{api: standin.Config{Assets: 45}})
	c, reader := b.login(t, RoleChange), b.login(t, RoleLook)
	require.Contains(t, c.get("/assets").text, "relabel has not read the site yet: press")
	require.Equal(t, http.StatusForbidden, reader.post("/assets/read", url.Values{"site": {db.DefaultSite}}).StatusCode)
	b.read(t, c)
	require.Contains(t, b.log(t), "read 127.0.0.1 | done")

	page := c.get("/assets").text
	require.Contains(t, page, "45 assets of site default. Last read")
	require.Equal(t, onPage, strings.Count(page, `data-asset=`))
	require.Contains(t, page, `value="asset-000001.jpg"`)
	var next []string
	for path := "/assets"; path != ""; {
		text := c.get(path).text
		next = append(next, path)
		before, _, ok := strings.Cut(text, `" rel="next"`)
		if !ok {
			require.Equal(t, 5, strings.Count(text, `data-asset=`))
			break
		}
		path = "/assets" + strings.ReplaceAll(before[strings.LastIndex(before, `href="`)+6:], "&amp;", "&")
	}
	require.Len(t, next, 3)

	require.Contains(t, c.get("/assets?name=000007&view=table").text, "1 asset matches")
	require.Contains(t, page, `<a href="?site=default&amp;view=table">Table</a>`)
	require.Contains(t, c.get("/assets?name=zebra").text, "No asset matches")
	require.Contains(t, c.get("/assets?folder=none&type=image/*&alt=missing&since=2020-01-01&sort=changed").text, "45 assets match")
	require.Contains(t, c.get("/assets?since=yesterday").text, "is a day such as")
	require.Contains(t, c.get("/assets?after=x").text, "is not one of this list")
	require.Equal(t, http.StatusNotFound, c.get("/assets?site=nowhere").StatusCode)

	page = reader.get("/assets").text
	require.Contains(t, page, "asset-000001.jpg")
	for _, not := range []string{`name="was-name"`, "/assets/plan", "/assets/read"} {
		require.NotContains(t, page, not)
	}
}

// Pictures come from Webflow's hosts, on the pages that show them, and not for those who want none.
func TestPictures(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleLook)
	require.Equal(t, http.StatusSeeOther, b.login(t, RoleChange).upload(rows(3, "new.jpg")).StatusCode)
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	b.exampleAssets(t, site.ID)
	src := `src="https://s3.amazonaws.com/webflow-prod-assets/`
	pages := []string{"/assets", "/batch/1", "/asset?id=" + standin.AssetID(0)}
	policy := "; img-src 'self' https://s3.amazonaws.com/webflow-prod-assets/ https://uploads-ssl.webflow.com https://assets.website-files.com https://cdn.prod.website-files.com"
	for _, path := range pages {
		a := c.get(path)
		require.Contains(t, a.text, src, path)
		require.Equal(t, pagePolicy+policy, a.Header.Get("Content-Security-Policy"))
		require.Equal(t, strings.Count(a.text, "https://s3."), strings.Count(a.text, `loading="lazy" decoding="async" referrerpolicy="no-referrer"`))
	}
	require.Equal(t, pagePolicy, c.get("/").Header.Get("Content-Security-Policy"))

	a := c.post("/pictures", url.Values{"show": {"off"}, "back": {"/assets?view=table"}})
	require.Equal(t, "/assets?view=table", a.Header.Get("Location"))
	for _, path := range pages {
		a := c.get(path)
		require.NotContains(t, a.text, "https://s3.", path)
		require.Equal(t, pagePolicy, a.Header.Get("Content-Security-Policy"), path)
	}
	require.Equal(t, "/", c.post("/pictures", url.Values{"back": {"https://evil.example"}}).Header.Get("Location"))
	require.Contains(t, c.get("/assets").text, src, "they are on again")
}

// edit is the form of the page with some assets.
func edit(fields ...string) url.Values {
	form := url.Values{"site": {db.DefaultSite}, "back": {"/assets?name=asset"}}
	for i := 0; i < len(fields); i += 5 {
		for k, name := range []string{"id", "was-name", "name", "was-alt", "alt"} {
			form.Add(name, fields[i+k])
		}
	}
	return form
}

// What is edited becomes a plan; an asset that was renamed meanwhile is a conflict, and nothing is sent before Apply.
func TestPlanEdits(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	b.read(t, c)
	id := b.assetIDs(4)
	b.api.SetName(id[2], "", "renamed by hand.jpg")
	form := edit(
		id[0], "asset-000001.jpg", "hero, \"autumn\".jpg", "", "",
		id[1], "asset-000002.jpg", "asset-000002.jpg", "", "A dog",
		id[2], "asset-000003.jpg", "team.jpg", "", "",
		id[3], "asset-000004.jpg", "asset-000004.jpg", "", "")
	require.Equal(t, http.StatusForbidden, b.login(t, RoleLook).post("/assets/plan", form).StatusCode)
	require.Equal(t, http.StatusForbidden, c.post("/assets/plan", form, "Sec-Fetch-Site", "cross-site").StatusCode)
	require.Equal(t, "/batch/1", c.post("/assets/plan", form).Header.Get("Location"))
	page := c.see("/batch/1", "of 3 rows would change")
	require.Contains(t, page, "2 <span class=\"of\">of 3 rows")
	require.Contains(t, page, "<dt>in conflict</dt><dd>1</dd>")
	require.Contains(t, page, "3 edited assets")
	require.Contains(t, b.log(t), "upload 127.0.0.1 | done")
	require.Equal(t, "asset-000001.jpg", b.api.Name(id[0], ""), "nothing was sent")

	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", "3 <span class=\"of\">of 3 rows done")
	require.Equal(t, `hero, "autumn".jpg`, b.api.Name(id[0], ""))
	require.Equal(t, "A dog", *b.api.AltText(id[1], ""))
	require.Equal(t, "renamed by hand.jpg", b.api.Name(id[2], ""))
	page = c.get("/assets?name=" + id[0]).text
	require.Contains(t, page, "hero, &#34;autumn&#34;.jpg")
	require.Contains(t, page, "renamed <time")
}

// An alt text may be emptied, and the usual marker of files is a text like others here.
func TestPlanEmptiedAlt(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	id := b.assetIDs(2)
	b.api.SetAltText(id[0], "", "A dog")
	c := b.login(t, RoleChange)
	b.read(t, c)
	form := edit(
		id[0], "asset-000001.jpg", "asset-000001.jpg", "A dog", " ",
		id[1], "asset-000002.jpg", "asset-000002.jpg", "", "[empty]")
	require.Equal(t, "/batch/1", c.post("/assets/plan", form).Header.Get("Location"))
	require.Contains(t, c.see("/batch/1", "of 2 rows would change"), "<ins>(emptied)</ins>")
	c.post("/batch/1/apply", nil)
	b.work(t)
	c.see("/batch/1", "2 <span class=\"of\">of 2 rows done")
	require.Empty(t, *b.api.AltText(id[0], ""))
	require.Equal(t, "[empty]", *b.api.AltText(id[1], ""))
}

// What can't be planned says why, and loads nothing.
func TestPlanEditsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	id := standin.AssetID(0)
	incomplete := edit(id, "a.jpg", "b.jpg", "", "")
	incomplete["alt"] = nil
	for want, form := range map[string]url.Values{
		"nothing was edited":                         edit(id, "a.jpg", "a.jpg", "x", "x"),
		"nothing was edited: ":                       edit(id, "two\r\nlines", "twolines", "x\ny", "xy"),
		"needs a name":                               edit(id, "a.jpg", " ", "", ""),
		"the form is not complete":                   incomplete,
		"nothing was planned: &#34;a":                edit(id, "a.jpg", "a\tb", "", ""),
		"an asset id has 24 hexadecimal digits (0-9": edit("x", "a.jpg", "b.jpg", "", ""),
	} {
		a := c.post("/assets/plan", form)
		require.Equal(t, "/assets?name=asset", a.Header.Get("Location"), want)
		require.Contains(t, c.get("/assets").text, want, want)
	}
	list, err := records.Batches(t.Context(), b.DB, "", 9)
	require.NoError(t, err)
	require.Empty(t, list)
}

// The file has the selected assets, or all that match, and loads straight back without a change.
func TestAssetsFile(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.read(t, b.login(t, RoleChange))
	c := b.login(t, RoleLook)
	lines := func(query string, selected ...string) [][]string {
		a := c.post("/assets/file", url.Values{"query": {query}, "select": selected})
		require.Equal(t, http.StatusOK, a.StatusCode)
		all, err := csv.NewReader(strings.NewReader(a.text)).ReadAll()
		require.NoError(t, err)
		return all[1:]
	}
	require.Len(t, lines(""), 40)
	require.Len(t, lines("name=00001"), 11)
	two := lines("name=00001", standin.AssetID(3), standin.AssetID(30))
	require.Len(t, two, 2)
	require.Equal(t, http.StatusBadRequest, c.post("/assets/file", url.Values{"query": {"since=x"}}).StatusCode)
	require.Equal(t, http.StatusBadRequest, c.post("/assets/file", url.Values{"query": {"name=%00"}}).StatusCode)
	a := c.post("/assets/file", url.Values{})
	owner := b.login(t, RoleChange)
	require.Equal(t, "/batch/1", owner.upload(a.text).Header.Get("Location"))
	owner.see("/batch/1", "0 <span class=\"of\">of 40 rows")
}

// A rule is worked out for the selected assets, or for all that match, and becomes a plan.
func TestAssetRule(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	b.read(t, c)
	rule := func(fields ...string) url.Values {
		form := url.Values{"site": {db.DefaultSite}}
		for i := 0; i < len(fields); i += 2 {
			form.Add(fields[i], fields[i+1])
		}
		return form
	}
	preview := func(fields ...string) string { return c.post("/assets/rule/preview", rule(fields...)).text }
	require.Empty(t, strings.TrimSpace(preview()))
	page := preview("find", "^asset-0*", "replace", "hero-")
	require.Contains(t, page, "40 <span class=\"of\">of 40 assets would change")
	require.Contains(t, page, "<del>asset-000001.jpg</del></td><td class=\"long k\" data-l=\"New\"><ins>hero-1.jpg</ins>")
	require.Contains(t, page, "These are the first 20.")
	require.Contains(t, page, "Plan 40 renames")
	require.Contains(t, preview("find", "^asset", "replace", "hero", "name", "00003"), "11 <span class=\"of\">of 11 assets")
	some := preview("template", "team-{n:02}{ext}", "select", standin.AssetID(4), "select", standin.AssetID(2))
	require.Contains(t, some, "<del>asset-000003.jpg</del></td><td class=\"long k\" data-l=\"New\"><ins>team-01.jpg</ins>")
	require.Contains(t, some, "Plan 2 renames")
	require.Contains(t, preview("template", "asset-000001", "name", "000002"), "1 new name would belong to several assets", "an asset that does not match has the name")
	require.Contains(t, preview("find", "a(b"), "Find: ")
	require.Contains(t, preview("template", "x{y}"), "New name: character 2: ")
	require.Contains(t, c.get("/assets?name=00003&template=x-{n}").text, "Plan 11 renames", "also without a script")

	require.Equal(t, http.StatusForbidden, b.login(t, RoleLook).post("/assets/rule", rule("template", "x-{n}")).StatusCode)
	require.NotContains(t, b.login(t, RoleLook).get("/assets?template=x-{n}").text, "x-1")
	for want, form := range map[string]url.Values{
		"there is no rule": rule(), "the rule changes nothing": rule("template", "{stem}"), "New name: character 1": rule("template", "{x}"),
	} {
		require.Equal(t, "/assets?site=default", c.post("/assets/rule", form).Header.Get("Location"))
		require.Contains(t, c.get("/assets").text, want)
	}
	a := c.post("/assets/rule", rule("template", "team-{n:02}{ext}", "alt-template", "Photo {n}", "select", standin.AssetID(4), "select", standin.AssetID(2)))
	require.Equal(t, "/batch/1", a.Header.Get("Location"))
	page = c.see("/batch/1", "2 <span class=\"of\">of 2 rows would change")
	require.Contains(t, page, "rule team-{n:02}{ext}, Photo {n}")
	require.Contains(t, page, "<ins>Photo 2</ins>")
}

// A saved rule can be chosen instead of a typed one. It does not leave its own assets.
func TestAssetSavedRule(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	b.read(t, c)
	require.NotContains(t, c.get("/assets").text, "Saved rule")
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	for name, definition := range map[string]string{
		"tidy":   `{"match": ["*0003*"], "type": ["image/*"], "template": "tidy-{n}{ext}"}`,
		"french": `{"locale": "fr-FR", "template": "x-{n}"}`,
		"newer":  `{"colour": "red"}`,
	} {
		require.NoError(t, b.SaveRule(t.Context(), site.ID, db.SavedRule{Name: name, Definition: definition}, false))
	}
	require.Contains(t, c.get("/assets?saved=tidy").text, "<option selected>tidy</option>")
	preview := func(saved string, fields ...string) string {
		form := url.Values{"site": {db.DefaultSite}, "saved": {saved}, "template": {"typed-{n}"}}
		for _, id := range fields {
			form.Add("select", id)
		}
		return c.post("/assets/rule/preview", form).text
	}
	require.Contains(t, preview("tidy"), "11 <span class=\"of\">of 11 assets would change")
	require.Contains(t, preview("tidy"), "<ins>tidy-1.jpg</ins>")
	require.Contains(t, preview("tidy", standin.AssetID(2), standin.AssetID(9)), "1 <span class=\"of\">of 1 asset would change", "asset 10 does not match")
	require.Contains(t, preview("french"), "this rule is for a secondary locale")
	require.Contains(t, preview("gone"), "no such rule: gone")
	require.Contains(t, preview("newer"), `<p class="flash bad">rule newer: `)
	require.Contains(t, preview(""), "<ins>typed-1.jpg</ins>")
	a := c.post("/assets/rule", url.Values{"site": {db.DefaultSite}, "saved": {"tidy"}})
	require.Equal(t, "/batch/1", a.Header.Get("Location"))
	require.Contains(t, c.see("/batch/1", "11 <span class=\"of\">of 11 rows would change"), "rule tidy")
}
