package web

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/standin"
)

// Nothing is shown, streamed, downloaded or changed before a login.
func TestNobodyGetsInWithoutLogin(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.stranger(t)
	for _, path := range []string{
		"/", "/batches", "/batch/1", "/batch/1/results.csv", "/asset?id=x", "/assets", "/log", "/upload", "/live/overview", "/live/assets/default", "/river/", "/river/api/jobs", "/nothing",
	} {
		html := c.get(path)
		require.Equal(t, http.StatusSeeOther, html.StatusCode, path)
		require.Contains(t, html.Header.Get("Location"), "/login", path)
		require.Equal(t, http.StatusUnauthorized, c.get(path, "Accept", "application/json").StatusCode, path)
	}
	for _, path := range []string{"/batch/1/cancel", "/site/default/pause", "/upload", "/logout", "/river/api/jobs/cancel", "/assets/plan", "/assets/read", "/assets/file", "/pictures"} {
		require.Equal(t, http.StatusUnauthorized, c.post(path, nil).StatusCode, path)
	}
	require.Equal(t, http.StatusUnauthorized,
		c.do(c.request(http.MethodPost, "/river/api/jobs/delete", strings.NewReader(`{"ids":[1]}`), "Content-Type", "application/json")).StatusCode)
	require.Equal(t, http.StatusOK, c.get("/login").StatusCode)
	require.Equal(t, http.StatusOK, c.get("/healthz").StatusCode)
	require.Equal(t, http.StatusOK, c.get("/readyz").StatusCode)
}

func TestLinkLogsInOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	link := b.server.Link(RoleChange)
	c := b.stranger(t)
	require.Equal(t, http.StatusOK, c.do(c.request(http.MethodHead, link, nil)).StatusCode, "a look uses nothing up")
	first := c.get(link)
	require.Equal(t, http.StatusSeeOther, first.StatusCode)
	require.Equal(t, "/login/done", first.Header.Get("Location"), "the key leaves the address bar")
	require.Contains(t, c.get("/login/done").text, `content="0;url=/"`)
	cookie := first.Cookies()[0]
	require.True(t, cookie.HttpOnly)
	require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
	require.False(t, cookie.Secure, "over plain HTTP no browser would take it")
	require.GreaterOrEqual(t, len(cookie.Value), 43, "256 bits")
	require.Equal(t, http.StatusOK, c.get("/").StatusCode)

	other := b.stranger(t)
	require.Equal(t, http.StatusForbidden, other.get(link).StatusCode, "a second time")
	require.Equal(t, http.StatusSeeOther, other.get("/").StatusCode)
	require.NotEqual(t, link, b.server.Link(RoleChange), "there is a next one")
	for range 2 * freeGuesses {
		require.Equal(t, http.StatusForbidden, other.get("/login?key=x").StatusCode, "another page has the browser ask: nobody has to wait for it")
	}
	require.Equal(t, http.StatusSeeOther, other.get(b.server.Link(RoleChange)).StatusCode)

	require.Equal(t, http.StatusSeeOther, c.post("/logout", nil).StatusCode)
	require.Equal(t, http.StatusSeeOther, c.get("/").StatusCode, "logged out")
	require.Equal(t, http.StatusOK, other.get("/").StatusCode, "others stay")
}

func TestCookieOverTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Secure: true}})
	cookie := b.stranger(t).get(b.server.Link(RoleLook)).Cookies()[0]
	require.True(t, cookie.Secure)
	require.True(t, strings.HasPrefix(cookie.Name, "__Host-"), cookie.Name)
	require.Equal(t, "/", cookie.Path)
	require.Empty(t, cookie.Domain)
}

func TestPasswords(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Password: "correct horse", ReadOnlyPassword: "battery staple"}})
	c := b.stranger(t)
	require.Equal(t, http.StatusForbidden, c.get(b.server.Link(RoleChange)).StatusCode, "with a password there are no links")
	require.Equal(t, http.StatusForbidden, c.post("/login", url.Values{"password": {"wrong"}}).StatusCode)
	require.Equal(t, http.StatusForbidden, c.post("/login", url.Values{"password": {""}}).StatusCode)
	in := c.post("/login", url.Values{"password": {"correct horse"}, "name": {"<b>Eve</b>\x07"}, "next": {"/batches?x=1"}})
	require.Equal(t, http.StatusSeeOther, in.StatusCode)
	require.Equal(t, "/batches?x=1", in.Header.Get("Location"))
	require.Equal(t, http.StatusSeeOther, c.post("/site/default/pause", nil).StatusCode)
	log := c.get("/log").text
	require.Contains(t, log, `data-l="Who">127.0.0.1</td><td class="b" data-l="Name given">&lt;b&gt;Eve&lt;/b&gt;`)
	require.NotContains(t, log, "<b>Eve")

	reader := b.stranger(t)
	require.Equal(t, http.StatusSeeOther, reader.post("/login", url.Values{"password": {"battery staple"}}).StatusCode)
	require.Equal(t, http.StatusOK, reader.get("/").StatusCode)
	require.Equal(t, http.StatusForbidden, reader.post("/site/default/resume", nil).StatusCode)
}

// Whoever may look sees everything and changes nothing, River UI included.
func TestLookersChangeNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	b.login(t, RoleChange).upload(rows(3, "new.jpg"))
	c := b.login(t, RoleLook)
	for _, path := range []string{"/", "/batches", "/batch/1", "/batch/1/results.csv", "/log", "/upload", "/river/", "/river/api/jobs?limit=20&state=available"} {
		require.Equal(t, http.StatusOK, c.get(path).StatusCode, path)
	}
	require.NotContains(t, c.get("/batch/1").text, "/batch/1/apply")
	for _, path := range []string{"/batch/1/apply", "/batch/1/discard", "/batch/1/retry", "/site/default/pause", "/assets/plan", "/assets/read"} {
		require.Equal(t, http.StatusForbidden, c.post(path, nil).StatusCode, path)
	}
	require.Equal(t, http.StatusForbidden, c.upload(rows(1, "x")).StatusCode)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		r := c.request(method, "/river/api/jobs/delete", strings.NewReader(`{"ids":["1"]}`), "Content-Type", "application/json")
		require.Equal(t, http.StatusForbidden, c.do(r).StatusCode, method)
	}
	st, err := records.Batch(t.Context(), b.DB, 1)
	require.NoError(t, err)
	require.Equal(t, db.BatchPlanned, st.Status)
}

// Another web page can make a browser send requests, with our cookie if it finds a way: none is done.
func TestOtherPagesAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	for name, header := range map[string][]string{
		"cross-site":           {"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		"same-site":            {"Sec-Fetch-Site", "same-site", "Origin", b.url + "0"},
		"old browser":          {"Sec-Fetch-Site", "", "Origin", "https://evil.example"},
		"a page without a URL": {"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		for _, path := range []string{"/site/default/pause", "/login", "/logout", "/upload", "/river/api/jobs/cancel"} {
			require.Equal(t, http.StatusForbidden, c.post(path, nil, header...).StatusCode, "%s %s", name, path)
		}
	}
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	require.Nil(t, site.PausedAt)
	require.Equal(t, http.StatusOK, c.get("/").StatusCode, "nobody was logged out")

	require.Equal(t, http.StatusSeeOther, c.post("/site/default/pause", nil).StatusCode, "our own page may")
	site, err = b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	require.NotNil(t, site.PausedAt)
}

// changes are the requests that change something, as they are sent by a page: all actions there are, and all of River UI's
// methods but GET.
func (b *testBundle) changes() (list []*http.Request) {
	add := func(method, path, kind, body string) {
		r, _ := http.NewRequest(method, b.url+path, strings.NewReader(body)) // its clones are given a context
		r.Header.Set("Content-Type", kind)
		list = append(list, r)
	}
	for action := range b.server.batchActions() {
		add(http.MethodPost, "/batch/1/"+action, "application/x-www-form-urlencoded", "")
	}
	for _, path := range []string{
		"/site/default/pause", "/site/default/resume", "/schedule/nightly/run", "/schedule/nightly/pause", "/schedule/nightly/resume",
		"/schedule/nightly/test",
	} {
		add(http.MethodPost, path, "application/x-www-form-urlencoded", "")
	}
	schedule := "source=https://example.com/a.csv&cron=@daily&tz=UTC&mode=changed&overlap=skip&catch-up=1h"
	for path, form := range map[string]string{
		"/sites": "name=shop", "/site/default/edit": "rate=60/1m", "/schedules": "name=more&site=default&" + schedule, "/schedule/weekly/edit": schedule,
	} {
		add(http.MethodPost, path, "application/x-www-form-urlencoded", form)
	}
	add(http.MethodPost, "/schedule/weekly/remove", "application/x-www-form-urlencoded", "") // after its change
	for _, path := range []string{"jobs/cancel", "jobs/delete", "jobs/retry"} {
		add(http.MethodPost, "/river/api/"+path, "application/json", `{"ids":["77"]}`)
	}
	add(http.MethodPut, "/river/api/queues/site-default/pause", "application/json", "")
	add(http.MethodPut, "/river/api/queues/site-default/resume", "application/json", "")
	add(http.MethodPatch, "/river/api/queues/site-default", "application/json", `{"concurrency":null}`)
	add(http.MethodDelete, "/river/api/jobs/77", "application/json", "")
	return list
}

// What a read-only login asked for in vain is in the audit log, once a minute.
func TestRefusedChangesAreRecorded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	var mu sync.Mutex
	b := setup(t, settings{config: Config{Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }}})
	looker := b.login(t, RoleLook)
	recorded := func() (details []string) {
		list, err := records.AuditEntries(t.Context(), b.DB, "dashboard", 0, 100)
		require.NoError(t, err)
		for _, e := range list {
			if e.Action == "change" {
				require.Equal(t, "refused: the login is read-only", *e.Result)
				details = append(details, e.Detail)
			}
		}
		return details
	}
	try := func() { require.Equal(t, http.StatusForbidden, looker.post("/site/default/pause", nil).StatusCode) }
	try()
	try()
	require.Equal(t, []string{"POST /site/default/pause"}, recorded())
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	try()
	require.Len(t, recorded(), 2)
}

// Nobody changes anything without login, as a looker, from another page or by another kind of body; who may do it leaves a
// row in the log, whatever comes of it.
func TestEveryChangeIsGuarded(t *testing.T) {
	t.Parallel()
	b, _ := scheduled(t, settings{noToken: true})
	b.exampleSchedules(t)
	stranger, looker, c := b.stranger(t), b.login(t, RoleLook), b.login(t, RoleChange)
	require.Equal(t, http.StatusSeeOther, c.upload(rows(3, "new.jpg")).StatusCode)
	entries := func() int {
		list, err := records.AuditEntries(t.Context(), b.DB, "", 0, 100)
		require.NoError(t, err)
		return len(slices.DeleteFunc(list, func(e records.AuditEntry) bool { return e.Action == "change" }))
	}
	for _, r := range b.changes() {
		send := func(by *browser, header ...string) int {
			again := r.Clone(t.Context())
			again.Body, _ = r.GetBody()
			for i := 0; i < len(header); i += 2 {
				again.Header.Set(header[i], header[i+1])
			}
			return by.do(again).StatusCode
		}
		what, before := r.Method+" "+r.URL.Path, entries()
		require.Equal(t, http.StatusUnauthorized, send(stranger), what)
		require.Equal(t, http.StatusForbidden, send(looker), what)
		require.Equal(t, http.StatusForbidden, send(c, "Sec-Fetch-Site", "cross-site"), what)
		require.Equal(t, http.StatusForbidden, send(c, "Origin", "https://evil.example"), what)
		if strings.HasPrefix(r.URL.Path, riverPrefix) {
			require.Equal(t, http.StatusUnsupportedMediaType, send(c, "Content-Type", "text/plain"), what)
		}
		require.Equal(t, before, entries(), what)
		send(c, "Sec-Fetch-Site", "same-origin")
		require.Equal(t, before+1, entries(), what)
	}
}

func TestRiverTakesJSONAlone(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleChange)
	send := func(kind string) int {
		return c.do(c.request(http.MethodPost, "/river/api/jobs/cancel", strings.NewReader(`{"ids":["77"]}`), "Content-Type", kind, "Sec-Fetch-Site", "same-origin")).StatusCode
	}
	for _, kind := range []string{"text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		require.Equal(t, http.StatusUnsupportedMediaType, send(kind), kind)
	}
	require.Equal(t, http.StatusNotFound, send("application/json"), "there is no such job")
	entries, err := records.AuditEntries(t.Context(), b.DB, "", 0, 10)
	require.NoError(t, err)
	require.Len(t, entries, 2, "with the login")
	require.Equal(t, "POST /api/jobs/cancel", entries[0].Action)
	require.Equal(t, "jobs 77", entries[0].Detail)
	require.Contains(t, *entries[0].Result, "404")
	index := c.get("/river/")
	require.Regexp(t, `<head><script src="/static/river\.[0-9a-f]+\.js"></script>`, index.text)
	require.NotContains(t, index.Header.Get("Content-Security-Policy"), "script-src")
	require.NotContains(t, c.get("/").Header.Get("Content-Security-Policy"), "unsafe")
}

// A name that an attacker lets resolve to this machine is not ours.
func TestHosts(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Hosts: []string{"relabel.example.com"}}})
	c := b.login(t, RoleChange)
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8080": 200, "localhost": 200, "localhost:9": 200, "LOCALHOST": 200, "[::1]:8080": 200, "[::1]": 200,
		"192.0.2.7": 200, "relabel.example.com": 200, "Relabel.Example.com.:443": 200,
		"evil.example": 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421, "relabel.example.com.evil": 421, "x:y:z": 421,
	} {
		r := c.request(http.MethodGet, "/login", nil)
		r.Host = host
		require.Equal(t, want, c.do(r).StatusCode, host)
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	c := b.login(t, RoleLook)
	for _, path := range []string{"/", "/login", "/nothing", "/river/"} {
		h := c.get(path).Header
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'self'", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", h.Get("Cache-Control"), path)
	}
	page := c.get("/").text
	require.NotContains(t, page, " style=")
	require.NotContains(t, page, "onclick")
	for _, file := range []string{"app.css", "app.js", "river.js", "icon.svg"} {
		got := c.get(b.server.static.url(file))
		require.Equal(t, http.StatusOK, got.StatusCode, file)
		require.Contains(t, got.Header.Get("Cache-Control"), "immutable")
		require.Equal(t, http.StatusNotModified, c.get(b.server.static.url(file), "If-None-Match", got.Header.Get("ETag")).StatusCode)
	}
	require.Equal(t, http.StatusNotFound, c.get("/static/app.css").StatusCode)
}

// PostgreSQL refuses NUL and invalid UTF-8: the request is at fault, not the dashboard.
func TestNotStorable(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{noToken: true})
	c := b.login(t, RoleChange)
	require.Equal(t, http.StatusSeeOther, c.upload(rows(1, "new.jpg")).StatusCode)
	for _, path := range []string{
		"/asset?id=%00", "/asset?id=a&site=%ff", "/batch/1?name=a%00b", "/batch/1?error=%ff", "/batch/1?asset=%00", "/batch/1?status=%00",
		"/batch/1?after=%00", "/schedule/%00", "/schedule/%ff", "/live/schedule/%00", "/river/api/jobs?state=%00", "/batch/1?%00=1",
	} {
		require.Equal(t, http.StatusBadRequest, c.get(path).StatusCode, path)
	}
	for _, path := range []string{"/site/%00/pause", "/schedule/%ff/run"} {
		require.Equal(t, http.StatusBadRequest, c.post(path, nil).StatusCode, path)
	}
	require.Equal(t, http.StatusBadRequest, c.post("/batch/1/retry", url.Values{"name": {"a\x00"}}).StatusCode)
	require.Equal(t, http.StatusBadRequest, c.upload(rows(1, "x"), "name", "a\x00").StatusCode)
	require.Equal(t, http.StatusBadRequest, c.upload(rows(1, "x"), "site", "\xff").StatusCode)
	require.Equal(t, http.StatusOK, c.get("/batch/1?name=%07%e2%80%ae").StatusCode, "other characters are searched for")
}

// Over TLS browsers stay with https. On localhost that would reach other programs.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	get := func(secure bool, host string) string {
		h := http.Header{}
		(&Server{cfg: Config{Secure: secure}}).setHeaders(h, &http.Request{Host: host, URL: &url.URL{Path: "/"}})
		return h.Get("Strict-Transport-Security")
	}
	require.Equal(t, "max-age=31536000", get(true, "relabel.example.com:8443"))
	require.Empty(t, get(true, "localhost:8443"))
	require.Empty(t, get(true, "x.localhost"))
	require.Empty(t, get(false, "relabel.example.com"))
}

// net/http answers OPTIONS * itself unless it is told not to.
func TestOptionsHasHeaders(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing is lost with it
	_, err = io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer res.Body.Close() //nolint:errcheck // was only read
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'self'")
}

func TestSizes(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{MaxUpload: 5000}})
	c := b.login(t, RoleChange)
	large := url.Values{"name": {strings.Repeat("x", maxBody)}}
	for _, path := range []string{"/batch/1/retry", "/site/default/pause", "/login"} {
		require.Equal(t, http.StatusRequestEntityTooLarge, c.post(path, large).StatusCode, path)
	}
	pieces := c.request(http.MethodPost, "/batch/1/retry", io.MultiReader(strings.NewReader(large.Encode())), "Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, http.StatusLengthRequired, c.do(pieces).StatusCode, "it does not give its length")
	r := c.request(http.MethodPost, "/river/api/jobs/cancel", strings.NewReader(`{"ids":["`+strings.Repeat("1", maxBody)+`"]}`), "Content-Type", "application/json")
	require.Equal(t, http.StatusRequestEntityTooLarge, c.do(r).StatusCode)
	got := c.upload(rows(200, "a name of twenty four"))
	require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode)
	require.Contains(t, got.text, "The file is larger")
	list, err := records.Batches(t.Context(), b.DB, "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
}

// A file that unpacks to very many rows loads nothing.
func TestUploadOfTooManyRows(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{MaxRows: 10}})
	c := b.login(t, RoleChange)
	got := c.upload(rows(11, "name"))
	require.Equal(t, http.StatusUnprocessableEntity, got.StatusCode)
	require.Contains(t, got.text, "has more than 10 rows")
	list, err := records.Batches(t.Context(), b.DB, "", 10)
	require.NoError(t, err)
	require.Empty(t, list)
	require.Equal(t, http.StatusSeeOther, c.upload(rows(10, "name")).StatusCode)
}

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/batch/7?status=failed#rows": "/batch/7?status=failed#rows", "": "/", "/": "/",
		"//evil.example": "/", "https://evil.example": "/", "/\\evil.example": "/", "javascript:alert(1)": "/", "/login": "/", "batch": "/", "/a\r\nb": "/",
	} {
		require.Equal(t, want, localPath(in), in)
	}
}

func TestClientBehindProxy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		proxy    bool
		networks string
		from     string
		xff      []string
		want     string
	}{
		{false, "", "10.0.0.9", []string{"192.0.2.1"}, "10.0.0.9"},
		{true, "", "10.0.0.9", nil, "10.0.0.9"},
		{true, "", "10.0.0.9", []string{"192.0.2.66, 192.0.2.1"}, "192.0.2.1"},
		{true, "", "127.0.0.1", []string{"192.0.2.66", "192.0.2.1"}, "192.0.2.1"},
		{true, "", "::ffff:10.0.0.9", []string{"192.0.2.1"}, "192.0.2.1"},
		{true, "", "10.0.0.9", []string{"<script>"}, "10.0.0.9"},
		{true, "", "198.51.100.9", []string{"192.0.2.1"}, "198.51.100.9"},
		{true, "198.51.100.0/24", "198.51.100.9", []string{"192.0.2.1"}, "192.0.2.1"},
		{true, "198.51.100.0/24", "10.0.0.9", []string{"192.0.2.1"}, "10.0.0.9"},
	} {
		s := &Server{cfg: Config{BehindProxy: c.proxy}}
		if c.networks != "" {
			s.cfg.Proxies = []netip.Prefix{netip.MustParsePrefix(c.networks)}
		}
		r := &http.Request{RemoteAddr: net.JoinHostPort(c.from, "1234"), Header: http.Header{"X-Forwarded-For": c.xff}}
		require.Equal(t, c.want, s.client(r), "%+v", c)
	}
}

// What stands in names, errors and addresses is shown as text.
func TestHostileTextIsShownAsText(t *testing.T) {
	t.Parallel()
	// U+202E turns what follows it round.
	const hostile = "\u202e\u200f\u061c" + `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	b := setup(t, settings{})
	b.api.AddAsset("640000000000000000000666", hostile+" old")
	c := b.login(t, RoleChange)
	in := c.upload("asset_id,display_name\n640000000000000000000666,\""+strings.ReplaceAll(hostile, `"`, `""`)+"\"\n", "name", hostile)
	require.Equal(t, http.StatusSeeOther, in.StatusCode, in.text)
	c.see("/batch/1", "would change")
	b.api.FailAsset("640000000000000000000666", standin.Answer(400, nil, `{"code":"bad","message":"`+strings.ReplaceAll(hostile, `"`, `\"`)+`"}`))
	require.Equal(t, http.StatusSeeOther, c.post("/batch/1/apply", nil).StatusCode)
	b.work(t)
	c.see("/batch/1", "bad: ")
	for _, path := range []string{
		"/", "/batches", "/batch/1", "/batch/1?name=" + url.QueryEscape(hostile), "/batch/1?http=" + url.QueryEscape(hostile), "/asset?id=640000000000000000000666",
		"/asset?id=" + url.QueryEscape(hostile) + "&site=" + url.QueryEscape(hostile), "/log", "/" + url.PathEscape(hostile), "/login?next=" + url.QueryEscape(hostile),
	} {
		text := c.get(path).text
		require.NotContains(t, text, "<script>alert", path)
		require.NotContains(t, text, "<img", path)
		for _, mark := range []string{"\u202e", "\u200f", "\u061c"} {
			require.NotContains(t, regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, ""), mark, path)
		}
	}
	require.Contains(t, c.get("/batch/1").text, "[U+202E][U+200F][U+061C]&lt;script&gt;alert(1)")
}
