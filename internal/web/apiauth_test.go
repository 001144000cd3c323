package web

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/dbtest"
	"relabel/internal/report"
	"relabel/internal/schedule"
)

// Only a token that works gets in: a login of the dashboard means nothing.
func TestAPITokens(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	require.Equal(t, http.StatusOK, m.look("/batches").StatusCode)
	c := b.login(t, RoleChange)
	p := refused(t, c.get("/api/v1/batches"), http.StatusUnauthorized, "`relabel token create NAME` makes one")
	require.Empty(t, p.Errors)
	require.Equal(t, `Bearer realm="relabel"`, c.get("/api/v1/batches").Header.Get("WWW-Authenticate"))
	refused(t, c.get("/api/v1/batches", "Authorization", "Basic "+m.secret), http.StatusUnauthorized, "send one token")
	refused(t, c.get("/api/v1/batches?token="+m.secret), http.StatusUnauthorized, "send one token")
	refused(t, machine{c, "relabel_wrong"}.look("/batches"), http.StatusUnauthorized, "this token is wrong")
	require.Equal(t, "refused: the token is wrong", dbtest.Value[string](t, b, `SELECT result FROM audit WHERE via = 'API'`))

	dbtest.Exec(t, b, `UPDATE api_token SET expires_at = now()`)
	refused(t, m.look("/batches"), http.StatusUnauthorized, "token n8n is expired")
	dbtest.Exec(t, b, `UPDATE api_token SET expires_at = now() + interval '1 h'`)
	require.NoError(t, b.RevokeToken(t.Context(), "n8n"))
	for range freeGuesses - 1 { // the wrong token was one
		refused(t, m.look("/batches"), http.StatusUnauthorized, "token n8n is revoked")
	}
	require.Equal(t, "refused: the token is revoked", dbtest.Value[string](t, b, `SELECT result FROM audit WHERE person = 'n8n' ORDER BY id DESC LIMIT 1`))
	require.Equal(t, http.StatusTooManyRequests, func() (status int) {
		for range 3 {
			status = m.look("/batches").StatusCode
		}
		return status
	}(), "who goes on with a revoked token is slowed down")
}

// A reader changes nothing.
func TestAPIReadOnly(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "grafana", db.TokenRead, "")
	refused(t, m.load("/batches", rows(3, "x")), http.StatusForbidden, "token grafana may only read")
	for _, path := range []string{"/batches/1/pause", "/batches/1/verify", "/sites/default/pause", "/schedules/nightly/run"} {
		refused(t, m.act(path), http.StatusForbidden, "may only read")
	}
	require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
	require.Equal(t, http.StatusOK, m.look("/sites").StatusCode)
}

// Guesses are slowed down as passwords are, for those who guess only.
func TestAPIGuesses(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := setup(t, settings{config: Config{Now: clock.now}})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	require.Equal(t, http.StatusOK, m.look("/batches").StatusCode)
	wrong := machine{b.stranger(t), "relabel_wrong"}
	for range freeGuesses {
		refused(t, wrong.look("/batches"), http.StatusUnauthorized, "wrong")
	}
	slowed := wrong.look("/batches")
	refused(t, slowed, http.StatusTooManyRequests, "too many requests with wrong tokens: try again in 2 s")
	require.Equal(t, "2", slowed.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, m.look("/batches").StatusCode, "a token that was right before does not wait")
	require.Equal(t, freeGuesses, dbtest.Value[int](t, b, `SELECT count(*)::int FROM audit WHERE via = 'API'`))
	clock.add(3 * time.Second)
	other := b.machine(t, "other", db.TokenRead, "")
	require.Equal(t, http.StatusOK, other.look("/batches").StatusCode)
}

// Each token has a limit of its own, and is told when to come again.
func TestAPIRateLimit(t *testing.T) {
	t.Parallel()
	clock := newClock()
	b := setup(t, settings{config: Config{Now: clock.now}})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	other := b.machine(t, "other", db.TokenRead, "")
	for range 100 {
		require.Equal(t, http.StatusOK, m.look("/schedules").StatusCode)
	}
	limited := m.look("/schedules")
	refused(t, limited, http.StatusTooManyRequests, "a token may make 10 requests a second, after 100 at once")
	require.Equal(t, "1", limited.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, other.look("/schedules").StatusCode)
	clock.add(time.Second)
	require.Equal(t, http.StatusOK, m.look("/schedules").StatusCode)
}

// A token of a site sees no other one.
func TestAPITokenOfASite(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.exampleSchedules(t)
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: "shop"}))
	all := b.machine(t, "all", db.TokenWrite, "")
	require.Equal(t, http.StatusCreated, all.load("/batches", rows(2, "x")).StatusCode)
	m := b.machine(t, "shop", db.TokenWrite, "shop")
	for _, path := range []string{"/batches/1", "/batches/1/plan", "/batches/1/results", "/rows?batch=1", "/schedules/nightly", "/schedules/nightly/runs"} {
		require.Equal(t, http.StatusNotFound, m.look(path).StatusCode, path)
	}
	for _, action := range []string{"pause", "resume", "cancel", "retry", "verify", "compare", "apply"} {
		refused(t, m.act("/batches/1/"+action), http.StatusNotFound, "no such batch: 1")
	}
	require.Equal(t, http.StatusNotFound, m.act("/schedules/nightly/run").StatusCode)
	for _, path := range []string{"/batches?site=default", "/rows?site=default", "/schedules?site=default", "/sites/default"} {
		refused(t, m.look(path), http.StatusForbidden, "token shop is for site shop only, not for default")
	}
	refused(t, m.load("/batches", rows(2, "x")), http.StatusForbidden, "for site shop only")
	refused(t, m.act("/sites/default/pause"), http.StatusForbidden, "for site shop only")
	require.Empty(t, decoded[report.BatchList](t, m.look("/batches"), http.StatusOK).Batches)
	require.Empty(t, decoded[report.RowList](t, m.look("/rows"), http.StatusOK).List)
	require.Empty(t, decoded[schedule.Views](t, m.look("/schedules"), http.StatusOK).Schedules)
	require.Equal(t, "shop", decoded[report.SiteList](t, m.look("/sites"), http.StatusOK).Sites[0].Site)
	require.Equal(t, "active", string(decoded[report.Batch](t, all.look("/batches/1"), http.StatusOK).Status))
}

// What is no operation, or does not get past the guard, is answered like all errors.
func TestAPIGuard(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	refused(t, m.look("/nothing"), http.StatusNotFound, "there is no such operation")
	refused(t, m.look("/batches/x"), http.StatusUnprocessableEntity, "path.batch: invalid integer")
	not := m.act("/batches/1")
	refused(t, not, http.StatusMethodNotAllowed, "this address takes GET, HEAD, not POST")
	require.Equal(t, "GET, HEAD", not.Header.Get("Allow"))
	refused(t, m.look("/rows?name=%00"), http.StatusBadRequest, "NUL character")
	refused(t, m.send(http.MethodPost, "/batches/1/pause", nil, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "another web page")
	r := m.request(http.MethodGet, api.Prefix+"/batches", nil)
	r.Host = "evil.example"
	refused(t, m.do(r), http.StatusMisdirectedRequest, "--allow-host")
	ask := m.send(http.MethodOptions, "/batches", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	require.Empty(t, ask.Header.Get("Access-Control-Allow-Origin"), "no other web page may use it")
	doc := b.stranger(t).get(api.DocumentPath)
	require.Equal(t, http.StatusOK, doc.StatusCode)
	require.True(t, strings.HasPrefix(doc.text, "{\n  \"components\""), doc.text[:40])
}

// testClock stands still until a test moves it.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *testClock { return &testClock{at: time.Now()} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
