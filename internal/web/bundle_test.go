package web

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/standin"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const (
	testToken = "tok-web-c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1"

	// patience bounds a wait for something that is sure to come, long for a busy machine.
	patience = 3 * time.Minute

	// poll is how often a wait looks.
	poll = 50 * time.Millisecond
)

// settings of a test; the zero ones are a dashboard with links, and a site with 40 assets and no limit.
type settings struct {
	config  Config // what of it is not zero is taken
	api     standin.Config
	limit   int // calls a minute
	noToken bool
}

// testBundle is a dashboard that answers, on a database of its own, with a stand-in of the API and no worker.
type testBundle struct {
	*db.DB

	server *Server
	api    *standin.Server
	token  webflow.Token
	url    string
	logs   *logs
}

func setup(t testing.TB, s settings) *testBundle {
	t.Helper()
	b := &testBundle{DB: dbtest.New(t), logs: &logs{}}
	if s.api.Assets == 0 {
		s.api.Assets = 40
	}
	s.api.Tokens = []string{testToken}
	var err error
	b.api, err = standin.Start(s.api)
	require.NoError(t, err)
	t.Cleanup(b.api.Close)
	b.token, err = webflow.NewToken(testToken)
	require.NoError(t, err)
	site := standin.SiteID
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &site}))
	cfg := s.config
	cfg.DB, cfg.Version, cfg.Logger, cfg.CallTimeout = b.DB, "test", slog.New(slog.NewTextHandler(b.logs, nil)), 20*time.Second
	cfg.Client, err = jobs.NewInsertClient(b.DB, cfg.Logger)
	require.NoError(t, err)
	if cfg.MaxUpload == 0 {
		cfg.MaxUpload = 1 << 20
	}
	cfg.Site = b.siteConfig(t, cmp.Or(s.limit, 100_000))
	if s.noToken {
		cfg.Site = func(db.Site) (jobs.SiteConfig, error) { return jobs.SiteConfig{}, errNoToken }
	}
	b.serve(t, cfg)
	t.Cleanup(func() { require.NotContains(t, b.logs.String(), testToken, "the token is in the log") })
	return b
}

type noToken struct{}

func (noToken) Error() string { return "there is no token" }

var errNoToken error = noToken{}

func (b *testBundle) siteConfig(t testing.TB, limit int) func(db.Site) (jobs.SiteConfig, error) {
	t.Helper()
	client, err := webflow.NewClient(webflow.Config{BaseURL: b.api.URL(), Token: b.token, Timeout: 20 * time.Second})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return func(site db.Site) (jobs.SiteConfig, error) {
		return jobs.SiteConfig{Site: site, Client: client, Lane: db.LaneSettings{
			Fingerprint: b.token.Fingerprint(), Limit: limit, Window: time.Minute, Fixed: true,
		}}, nil
	}
}

// serve runs the dashboard until the test ends.
func (b *testBundle) serve(t testing.TB, cfg Config) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.url = "http://" + l.Addr().String()
	_, cfg.Port, _ = net.SplitHostPort(l.Addr().String())
	b.server, err = New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.server.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			t.Error("the dashboard does not stop")
		}
	})
}

// work runs a pool of workers until the test ends.
func (b *testBundle) work(t testing.TB) {
	t.Helper()
	site, err := b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	cfg, err := b.server.cfg.Site(site)
	require.NoError(t, err)
	pool, err := jobs.NewPool(t.Context(), jobs.Config{
		DB: b.DB, Sites: []jobs.SiteConfig{cfg}, CallTimeout: 20 * time.Second, Command: "test", Version: "test", Logger: b.server.cfg.Logger,
	})
	require.NoError(t, err)
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, pool.Stop(context.Background())) })
}

// browser is a client that keeps cookies and follows no redirect.
type browser struct {
	t      testing.TB
	base   string
	client *http.Client
}

// answer is what came back, read to its end.
type answer struct {
	*http.Response

	text string
}

func (b *testBundle) stranger(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t: t, base: b.url, client: &http.Client{
		Jar: jar, Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// login gives a browser that has logged in by a link.
func (b *testBundle) login(t testing.TB, r Role) *browser {
	t.Helper()
	c := b.stranger(t)
	require.Equal(t, http.StatusSeeOther, c.get(b.server.Link(r)).StatusCode)
	return c
}

func (c *browser) do(r *http.Request) answer {
	c.t.Helper()
	res, err := c.client.Do(r)
	require.NoError(c.t, err)
	defer res.Body.Close() //nolint:errcheck // was only read
	text, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return answer{res, string(text)}
}

func (c *browser) request(method, path string, body io.Reader, header ...string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, body)
	require.NoError(c.t, err)
	r.Header.Set("Accept", "text/html,*/*")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func (c *browser) get(path string, header ...string) answer {
	c.t.Helper()
	return c.do(c.request(http.MethodGet, path, nil, header...))
}

// post sends a form as a browser does from our own page; headers may say otherwise.
func (c *browser) post(path string, form url.Values, header ...string) answer {
	c.t.Helper()
	header = append([]string{"Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Origin", c.base}, header...)
	return c.do(c.request(http.MethodPost, path, strings.NewReader(form.Encode()), header...))
}

// upload sends a CSV as the form does.
func (c *browser) upload(csv string, fields ...string) answer {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	require.NoError(c.t, w.WriteField("site", db.DefaultSite))
	for i := 0; i < len(fields); i += 2 {
		require.NoError(c.t, w.WriteField(fields[i], fields[i+1]))
	}
	part, err := w.CreateFormFile("file", "names.csv")
	require.NoError(c.t, err)
	_, err = io.WriteString(part, csv)
	require.NoError(c.t, err)
	require.NoError(c.t, w.Close())
	return c.do(c.request(http.MethodPost, uploadPath, &body, "Content-Type", w.FormDataContentType(), "Sec-Fetch-Site", "same-origin"))
}

// see waits until a page shows a text.
func (c *browser) see(path, text string) string {
	c.t.Helper()
	var last string
	require.Eventually(c.t, func() bool {
		last = c.get(path).text
		return strings.Contains(last, text)
	}, patience, poll, "%s never shows %q", path, text)
	return last
}

// rows is a CSV that names the first n assets of the stand-in.
func rows(n int, name string) string {
	var b strings.Builder
	b.WriteString("asset_id,display_name\n")
	for i := range n {
		b.WriteString(standin.AssetID(i) + "," + name + "\n")
	}
	return b.String()
}

// logs keeps what is logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// withRole is a session that nobody has begun.
func withRole(r Role) *session {
	s := &session{}
	s.roleNow.Store(r)
	return s
}
