package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const userHeader = "X-Forwarded-User"

// proxyAt is a proxy at some networks that names people.
func proxyAt(role Role, networks ...string) *Proxy {
	p := &Proxy{Header: userHeader, Role: role}
	for _, n := range networks {
		p.From = append(p.From, netip.MustParsePrefix(n))
	}
	return p
}

// behind is a dashboard whose proxy is this machine.
func behind(t *testing.T, role Role, f *usersFile) *testBundle {
	t.Helper()
	cfg := Config{Proxy: proxyAt(role, "127.0.0.0/8"), NoLinks: true, BehindProxy: true, Secure: true}
	if f != nil {
		cfg.Users = f.File
	}
	return setup(t, settings{config: cfg})
}

// The proxy's header is the login: roles are those of the file, and the audit log has the
// person.
func TestProxyNamesPeople(t *testing.T) {
	t.Parallel()
	f := newUsersFile(t)
	b := behind(t, "", f)
	c := b.stranger(t)
	page := c.get("/", userHeader, "anna", "X-Forwarded-For", "192.0.2.7")
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, page.text, `title="anna at 192.0.2.7"`)
	require.Empty(t, page.Cookies(), "the proxy logs people in: no cookie does")
	require.Equal(t, http.StatusSeeOther, c.post("/site/default/pause", nil, userHeader, "anna").StatusCode)
	require.Equal(t, http.StatusForbidden, c.post("/site/default/resume", nil, userHeader, "ben").StatusCode)
	require.Equal(t, []string{
		"ben|change|POST /site/default/resume|refused: the login is read-only", "ben|log in|role look, name checked: proxy|done",
		"anna|pause||done", "anna|log in|role change, name checked: proxy|done", "anna|log in|role change, name checked: proxy|done",
	}, b.auditedAs(t, 5), "a session an address")
	require.Contains(t, c.get("/", userHeader, "anna").text, "is paused: no new calls begin", "what an action says comes on the next page")
	got := c.get("/", userHeader, "carla")
	require.Equal(t, http.StatusForbidden, got.StatusCode)
	require.Contains(t, got.text, "you are carla. This name is not in the file of people")

	f.write(strings.Replace(f.read()[0], ":change:", ":look:", 1))
	require.Equal(t, http.StatusForbidden, c.get("/sessions", userHeader, "anna").StatusCode, "a changed role takes effect")
	require.Equal(t, http.StatusForbidden, c.get("/", userHeader, "ben").StatusCode, "and so does a removed line")
	require.Len(t, b.server.sessions.list(nil), 2, "of anna at two addresses")
}

func TestProxyRoleForAll(t *testing.T) {
	t.Parallel()
	b := behind(t, RoleLook, nil)
	c := b.stranger(t)
	require.Equal(t, http.StatusOK, c.get("/", userHeader, "anybody").StatusCode)
	require.Equal(t, http.StatusForbidden, c.get("/sessions", userHeader, "anybody").StatusCode)
	got := c.get("/login?next=/batches", userHeader, "anybody")
	require.Equal(t, http.StatusSeeOther, got.StatusCode)
	require.Equal(t, "/batches", got.Header.Get("Location"))
	require.Equal(t, http.StatusUnauthorized, c.get(b.server.Link(RoleChange)).StatusCode, "links don't log in")
	require.Contains(t, c.post("/logout", nil, userHeader, "anybody").text, "log out there, too")
	require.Empty(t, b.server.sessions.list(nil))
	require.Equal(t, http.StatusOK, c.get("/", userHeader, "anybody").StatusCode)
}

// Headers that are not plainly one name are refused, and so is a request without one. A
// cookie helps nobody.
func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	b := behind(t, RoleChange, newUsersFile(t))
	c := b.stranger(t)
	none := c.get("/")
	require.Equal(t, http.StatusUnauthorized, none.StatusCode)
	require.Contains(t, none.text, "must set the header X-Forwarded-User")
	require.Equal(t, http.StatusUnauthorized, c.post("/login", url.Values{"name": {"anna"}, "password": {annasPassword}}).StatusCode)
	secret, ok := b.server.sessions.begin(login{role: RoleChange})
	require.True(t, ok)
	require.Equal(t, http.StatusUnauthorized, c.get("/", "Cookie", b.server.cookieName()+"="+secret).StatusCode)
	for value, want := range map[string]string{
		"":         "must set the header",
		"anna,ben": "a colon, a comma or a brace",
		"{http.reverse_proxy.header.X-Auth-Request-Email}": "a brace",
		"anna:change":             "a colon, a comma or a brace",
		"an\tna":                  "a control character",
		"an\u202ena":              "a control character or an invisible one",
		"an\u200bna":              "invisible",
		"an\u00a0na":              "invisible",
		"\xe9ric":                 "not valid UTF-8",
		strings.Repeat("a", 101):  "longer than 100",
		"#anna":                   "begins with #",
		strings.Repeat("é", 5000): "longer than 100",
	} {
		got := c.get("/", userHeader, value)
		require.Equal(t, http.StatusUnauthorized, got.StatusCode, "%q", value)
		require.Contains(t, got.text, want)
	}
	two := c.request(http.MethodGet, "/", nil, userHeader, "ben")
	two.Header.Add(userHeader, "anna")
	got := c.do(two)
	require.Equal(t, http.StatusUnauthorized, got.StatusCode)
	require.Contains(t, got.text, "has the header X-Forwarded-User 2 times")
	for _, raw := range []string{"an\x00na", "an\x01na", "an\x7fna", "an\rna", "an\nna", " anna "} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/", nil)
		r.RemoteAddr = "127.0.0.1:1"
		r.Header[userHeader] = []string{raw}
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code, "%q", raw)
	}
	require.Equal(t, http.StatusOK, c.get("/", userHeader, "Zoë Example").StatusCode)
}

// Only the proxy may speak to the dashboard. What a client says of its address counts for
// nothing; health checks come from anywhere.
func TestOnlyTheProxy(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{config: Config{Proxy: proxyAt(RoleChange, "192.0.2.0/24", "2001:db8::/32"), BehindProxy: true}})
	c := b.stranger(t)
	for _, path := range []string{"/", "/login", "/static/app.css", "/river/", "/api/v1/x", "/healthz/", "//healthz", "/readyz/"} {
		got := c.get(path, userHeader, "anna", "X-Forwarded-For", "192.0.2.1")
		require.Equal(t, http.StatusForbidden, got.StatusCode, path)
		require.Contains(t, got.text, "takes requests only from its proxy. This one came from 127.0.0.1;")
	}
	for _, probe := range []string{"/healthz", "/readyz"} {
		require.Equal(t, http.StatusOK, c.get(probe).StatusCode, probe)
	}
	for remote, want := range map[string]int{
		"192.0.2.9:1": http.StatusOK, "[::ffff:192.0.2.9]:1": http.StatusOK, "[2001:db8::1]:1": http.StatusOK,
		"[2001:db8::1%eth0]:1": http.StatusOK, "192.0.3.1:1": http.StatusForbidden, "[::1]:1": http.StatusForbidden, "@": http.StatusForbidden,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/", nil)
		r.RemoteAddr = remote
		r.Header.Set(userHeader, "anna")
		w := httptest.NewRecorder()
		b.server.ServeHTTP(w, r)
		require.Equal(t, want, w.Code, remote)
	}
}

// Another web page can't act for a person whom the proxy has logged in.
func TestProxyAndOtherPages(t *testing.T) {
	t.Parallel()
	b := behind(t, RoleChange, nil)
	c := b.stranger(t)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
		got := c.post("/site/default/pause", nil, append(header, userHeader, "anna")...)
		require.Equal(t, http.StatusForbidden, got.StatusCode)
		require.Contains(t, got.text, "came from another web page")
	}
	require.Empty(t, b.auditedAs(t, 1))
}

func TestCheckLogins(t *testing.T) {
	t.Parallel()
	f := newUsersFile(t)
	for _, cfg := range []Config{
		{ReadOnlyPassword: "x"},
		{Proxy: proxyAt(RoleLook, "192.0.2.0/24"), Password: "x"},
		{Proxy: proxyAt("", "192.0.2.0/24")},
		{Proxy: proxyAt(RoleLook), Users: f.File},
	} {
		require.Error(t, cfg.checkLogins())
	}
	require.NoError(t, Config{Proxy: proxyAt("", "192.0.2.0/24"), Users: f.File}.checkLogins())
	for _, name := range []string{"", "X User", "X-User:", "X_User", "Müller", "cookie", "Host", "x-forwarded-for", "AUTHORIZATION"} {
		require.Error(t, CheckProxyHeader(name), name)
	}
	require.NoError(t, CheckProxyHeader("x-forwarded-user"))
}
