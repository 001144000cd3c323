package web

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/notice"
	"relabel/internal/records"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// scheduled is a dashboard that lets schedules read the files of a folder.
func scheduled(t testing.TB, s settings) (b *testBundle, folder string) {
	t.Helper()
	folder = t.TempDir()
	s.config.Schedules = schedule.Sources{
		SourceDirs: config.Folders{Paths: []string{folder}, Variable: "RELABEL_SOURCE_DIRS"},
		LookupEnv:  func(string) (string, bool) { return "", false },
	}
	return setup(t, s), folder
}

func (b *testBundle) schedule(t testing.TB, name string) scheduledb.Schedule {
	t.Helper()
	one, err := scheduledb.ByName(t.Context(), b.DB, name)
	require.NoError(t, err)
	return one
}

// A schedule is made and changed in the browser, by the same checks as on the command line.
func TestScheduleForm(t *testing.T) {
	t.Parallel()
	b, folder := scheduled(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	require.Contains(t, c.get("/schedules").text, `href="/schedules/new"`)
	form := func(change ...string) url.Values {
		f := url.Values{
			"name": {"nightly"}, "site": {db.DefaultSite}, "source": {filepath.Join(folder, "names.csv")}, "cron": {"0 2 * * *"}, "tz": {"Europe/Berlin"},
			"mode": {"changed"}, "overlap": {"skip"}, "catch-up": {"12h"}, "max-change": {"20%"}, "empty": {"none"}, "names-in-locales": {"drop"},
		}
		for i := 0; i < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	for want, f := range map[string]url.Values{
		"Name: a schedule&#39;s name is":                form("name", "Nightly"),
		"is not right: it takes 0 to 59":                form("cron", "61 * * * *"),
		"there is no time zone":                         form("tz", "Mars/Base"),
		"set RELABEL_SOURCE_DIRS to its folder":         form("source", "/etc/passwd"),
		"Source: the URL must begin with https://":      form("source", "http://example.com/a.csv"),
		"Notices: a URL with a user or a password":      form("notify", "https://u:secret@example.com"),
		"Latest start is a duration":                    form("catch-up", "soon"),
		"Hold back above: &#34;200%&#34;":               form("max-change", "200%"),
		"Earlier run is skip, queue or cancel":          form("overlap", "both"),
		"Names in secondary locales is keep, drop or":   form("names-in-locales", "both"),
		"Columns: &#34;x&#34; in the mapping has no":    form("map", "x"),
		`aria-invalid="true" aria-describedby="problem`: form("max-change", "200%"),
	} {
		a := c.post("/schedules", f)
		require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, want)
		require.Contains(t, a.text, want)
	}
	checked := c.post("/schedules", form("check", "1")).text
	require.Contains(t, checked, "<strong>every day at 02:00, Berlin</strong>")
	require.Contains(t, checked, "02:00 (Europe/Berlin)")
	require.Contains(t, c.get(timesPath+"?cron=0+0+1+1+*&tz=UTC").text, "1 Jan 00:00")

	a := c.post("/schedules", form("notify", "https://example.com/hook/secret"))
	require.Equal(t, "/schedule/nightly", a.Header.Get("Location"))
	one := b.schedule(t, "nightly")
	require.Equal(t, filepath.Join(folder, "names.csv"), *one.CSV)
	require.Equal(t, []string{"20%", "none", "drop"}, []string{*one.MaxChange, *one.EmptyMarker, one.LocaleNames})
	require.NotNil(t, one.NextRunAt)
	require.Equal(t, http.StatusUnprocessableEntity, c.post("/schedules", form()).StatusCode, "there is one of that name")

	page := c.get("/schedule/nightly/edit").text
	require.NotContains(t, page, "secret", "the address of a web hook is a secret")
	for _, part := range []string{`value="12h"`, `value="none"`, `value="drop" selected`} {
		require.Contains(t, page, part)
	}
	c.post("/schedule/nightly/edit", form("source", "", "notify", "", "cron", "@weekly", "mode", "all", "max-change", ""))
	one = b.schedule(t, "nightly")
	require.Equal(t, []string{"@weekly", "all", filepath.Join(folder, "names.csv"), "https://example.com/hook/secret"}, []string{one.Cron, one.Mode, *one.CSV, *one.NotifyURL})
	c.post("/schedule/nightly/edit", form("source", "", "no-notify", "1"))
	require.Nil(t, b.schedule(t, "nightly").NotifyURL)

	c.post("/schedule/nightly/remove", nil)
	require.Equal(t, http.StatusNotFound, c.get("/schedule/nightly").StatusCode)
	entries, err := records.AuditEntries(t.Context(), b.DB, "schedule nightly", 0, 9)
	require.NoError(t, err)
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	require.Equal(t, []string{"remove", "edit", "edit", "add", "add"}, actions, "also the refused one")
}

// The addresses of a site's notices are added and removed one by one, and their paths are
// not shown.
func TestSiteFormNotices(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	urls := func() []string {
		site, err := b.SiteByName(t.Context(), db.DefaultSite)
		require.NoError(t, err)
		return site.NotifyURLs
	}
	const first, second, form = "https://hooks.slack.com/services/secret", "smtps://ann@mail.example.com?to=ops@example.com", "/site/default/edit"
	c.post(form, url.Values{"notify": {first}})
	c.post(form, url.Values{"notify": {" " + second + " "}})
	c.post(form, url.Values{"notify": {first}})
	require.Equal(t, []string{first, second}, urls())
	page := c.get(form).text
	require.Contains(t, page, "Send no notices to https://hooks.slack.com/… any more")
	require.Contains(t, page, "Send no notices to smtps://mail.example.com?to=ops@example.com any more")
	require.NotContains(t, page, "secret")
	a := c.post(form, url.Values{"no-notify": {notice.Key(first)}, "notify": {"ftp://example.com"}})
	require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode)
	require.Contains(t, a.text, `value="`+notice.Key(first)+`" checked`, "what was chosen stays")
	c.post(form, url.Values{"no-notify": {notice.Key(first)}})
	require.Equal(t, []string{second}, urls())
	c.post(form, url.Values{"rate": {"60/1m"}})
	require.Equal(t, []string{second}, urls(), "an empty field keeps them")
}

// A query can be read and run, but only the command line changes it: it reads a database.
func TestScheduleFormKeepsQueries(t *testing.T) {
	t.Parallel()
	b, folder := scheduled(t, settings{noToken: true})
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	query, env := "SELECT 1", "RELABEL_SOURCE_URL"
	require.NoError(t, scheduledb.Add(t.Context(), b.DB, scheduledb.Schedule{
		Name: "wanted", SiteID: site.ID, Cron: "@daily", TimeZone: "UTC", Query: &query, SourceEnv: &env, Mode: "changed", Overlap: "skip",
	}))
	c := b.login(t, RoleChange)
	require.NotContains(t, c.get("/schedule/wanted/edit").text, `name="source"`)
	c.post("/schedule/wanted/edit", url.Values{
		"source": {filepath.Join(folder, "a.csv")}, "cron": {"@hourly"}, "tz": {"UTC"}, "mode": {"changed"}, "overlap": {"skip"}, "catch-up": {"1h"},
	})
	one := b.schedule(t, "wanted")
	require.Nil(t, one.CSV)
	require.Equal(t, []string{"@hourly", query, env}, []string{one.Cron, *one.Query, *one.SourceEnv})
}

// A schedule that runs a rule keeps it; a test run shows what the rule would rename.
func TestScheduleOfARule(t *testing.T) {
	t.Parallel()
	b, folder := scheduled(t, settings{})
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	rule := "tidy"
	require.NoError(t, b.SaveRule(t.Context(), site.ID, db.SavedRule{Name: rule, Definition: `{"template": "{n:03}{ext}"}`}, false))
	require.NoError(t, scheduledb.Add(t.Context(), b.DB, scheduledb.Schedule{
		Name: "nightly", SiteID: site.ID, Cron: "@daily", TimeZone: "UTC", Rule: &rule, Mode: "changed", Overlap: "skip",
	}))
	c := b.login(t, RoleChange)
	require.Contains(t, c.see("/schedule/nightly/edit", "It runs rule tidy."), "schedule edit nightly --rule")
	c.post("/schedule/nightly/edit", url.Values{
		"source": {filepath.Join(folder, "a.csv")}, "cron": {"@hourly"}, "tz": {"UTC"}, "mode": {"changed"}, "overlap": {"skip"}, "catch-up": {"1h"},
	})
	one := b.schedule(t, "nightly")
	require.Nil(t, one.CSV)
	require.Equal(t, []string{"@hourly", rule}, []string{one.Cron, *one.Rule})
	b.work(t)
	a := c.post("/schedule/nightly/test", nil)
	require.Equal(t, "/batch/1", a.Header.Get("Location"))
	require.Contains(t, c.see("/batch/1", "would change"), "nightly test run")
}

// Nor can the dashboard make a schedule run a command, or another one.
func TestScheduleFormKeepsCommands(t *testing.T) {
	t.Parallel()
	b, folder := scheduled(t, settings{noToken: true})
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	command := "bq query --format=csv wanted-names"
	require.NoError(t, scheduledb.Add(t.Context(), b.DB, scheduledb.Schedule{
		Name: "wanted", SiteID: site.ID, Cron: "@daily", TimeZone: "UTC", Command: &command, Mode: "changed", Overlap: "skip",
	}))
	c := b.login(t, RoleChange)
	form := c.get("/schedule/wanted/edit").text
	require.Contains(t, form, "what a command writes")
	require.NotContains(t, form, `name="source"`)
	require.NotContains(t, form+c.get("/schedules").text, "wanted-names", "its arguments may hold secrets")
	c.post("/schedule/wanted/edit", url.Values{
		"source": {filepath.Join(folder, "a.csv")}, "command": {"rm -r /"}, "exec": {"rm -r /"}, "command_shell": {"on"},
		"cron": {"@hourly"}, "tz": {"UTC"}, "mode": {"changed"}, "overlap": {"skip"}, "catch-up": {"1h"},
	})
	one := b.schedule(t, "wanted")
	require.Nil(t, one.CSV)
	require.False(t, one.Shell)
	require.Equal(t, []string{"@hourly", command}, []string{one.Cron, *one.Command})
}

// A test run shows what a schedule would change, and renames nothing.
func TestScheduleTestRun(t *testing.T) {
	t.Parallel()
	b, folder := scheduled(t, settings{})
	csv := filepath.Join(folder, "names.csv")
	require.NoError(t, os.WriteFile(csv, []byte(rows(3, "new.jpg")), 0o600))
	c := b.login(t, RoleChange)
	c.post("/schedules", url.Values{
		"name": {"nightly"}, "site": {db.DefaultSite}, "source": {csv}, "cron": {"@daily"}, "tz": {"UTC"}, "mode": {"changed"}, "overlap": {"skip"}, "catch-up": {"0"},
	})
	b.work(t)
	a := c.post("/schedule/nightly/test", nil)
	require.Equal(t, "/batch/1", a.Header.Get("Location"))
	page := c.see("/batch/1", "of 3 rows would change")
	require.Contains(t, page, "nightly test run")
	require.NotEqual(t, "new.jpg", b.api.Name(standin.AssetID(0), ""), "nothing was renamed")
	last, err := scheduledb.LastRun(t.Context(), b.DB, b.schedule(t, "nightly").ID)
	require.NoError(t, err)
	require.Nil(t, last, "it is no run")

	require.NoError(t, os.WriteFile(csv, []byte("asset_id,display_name\nx,y\n"), 0o600))
	c.post("/schedule/nightly/test", nil)
	require.Contains(t, c.get("/schedule/nightly").text, "1 row is invalid, so nothing was loaded")
}

// A site is made and changed in the browser, but for its token and its API.
func TestSiteForm(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true, config: Config{StandIn: func(site string) bool { return site == "demo" }}})
	c := b.login(t, RoleChange)
	for want, f := range map[string]url.Values{
		"Site: a site&#39;s name is":                 {"name": {"Shop"}},
		"Site: demo is for stand-ins":                {"name": {"demo"}},
		"there is a site default already":            {"name": {"default"}},
		"Webflow&#39;s site ID is 24 lower-case hex": {"name": {"shop"}, "site-id": {"12"}},
		"Rate limit: ":                               {"name": {"shop"}, "rate": {"fast"}},
		"Locale is both, body or query":              {"name": {"shop"}, "locale-in": {"header"}},
		"Keep is a number of days such as 400d":      {"name": {"shop"}, "keep": {"12h"}},
		"Notices: the URL must begin with https://":  {"name": {"shop"}, "notify": {"http://example.com"}},
		"Notices: a URL with a password in it":       {"name": {"shop"}, "notify": {"smtp://a:geheim@example.com?to=a@b.example"}},
	} {
		a := c.post("/sites", f)
		require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, want)
		require.Contains(t, a.text, want)
	}
	a := c.post("/sites", url.Values{
		"name": {"shop"}, "rate": {"120/1m"}, "keep": {"400d"}, "token-env": {"SECRET"}, "token-file": {"/etc/passwd"}, "api-url": {"https://evil.example"},
	})
	require.Equal(t, "/sites", a.Header.Get("Location"))
	site, err := b.SiteByName(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, "120/1m", *site.RateLimit)
	require.Equal(t, "400d", *site.Keep)
	require.Contains(t, c.get("/site/shop/edit").text, `name="keep" value="400d"`)
	require.Nil(t, site.TokenEnv)
	require.Nil(t, site.TokenFile)
	require.Nil(t, site.APIURL)

	env := "SHOP_WEBFLOW_TOKEN"
	site.TokenEnv = &env
	require.NoError(t, b.SaveSite(t.Context(), site))
	require.Contains(t, c.get("/site/shop/edit").text, "variable SHOP_WEBFLOW_TOKEN")
	c.post("/site/shop/edit", url.Values{"site-id": {standin.SiteID}, "name": {"other"}, "token-env": {""}})
	site, err = b.SiteByName(t.Context(), "shop")
	require.NoError(t, err)
	require.Equal(t, standin.SiteID, *site.WebflowSiteID)
	require.Nil(t, site.RateLimit)
	require.Nil(t, site.Keep)
	require.Equal(t, env, *site.TokenEnv, "a form can't change where the token is")
	require.Contains(t, c.get("/sites").text, standin.SiteID)
	entries, err := records.AuditEntries(t.Context(), b.DB, "site shop", 0, 9)
	require.NoError(t, err)
	require.Len(t, entries, 2)

	looker := b.login(t, RoleLook)
	require.NotContains(t, looker.get("/sites").text, "/sites/new")
	for _, path := range []string{"/sites/new", "/site/shop/edit", "/schedules/new", timesPath} {
		require.Equal(t, http.StatusForbidden, looker.get(path).StatusCode, path)
	}
}
