package notice

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/dbtest"
)

// testBundle is a database with the default site, and a process that works it.
type testBundle struct {
	*db.DB

	t    *testing.T
	url  string
	site db.Site
	cfg  Config
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{t: t, url: dbtest.URL(t)}
	b.DB = dbtest.Open(t, b.url)
	b.readSite()
	b.cfg = Config{DB: b.DB, Sites: func() []int { return []int{b.site.ID} }, Notify: config.Notify{AllowPrivate: true}, Logger: slog.New(slog.DiscardHandler)}
	return b
}

func (b *testBundle) readSite() {
	b.t.Helper()
	var err error
	b.site, err = b.SiteByName(b.t.Context(), db.DefaultSite)
	require.NoError(b.t, err)
}

// notify sets the addresses of the site.
func (b *testBundle) notify(urls ...string) {
	b.t.Helper()
	b.site.NotifyURLs = urls
	require.NoError(b.t, b.SaveSite(b.t.Context(), b.site))
}

// load loads a batch with addresses of its own.
func (b *testBundle) load(notify []string, targets ...string) dbtest.Loaded {
	b.t.Helper()
	p := dbtest.Params(b.site.ID, dbtest.Rows(targets...))
	p.Notify = notify
	return dbtest.Load(b.t, b.DB, p)
}

func (b *testBundle) exec(sql string, args ...any) {
	b.t.Helper()
	dbtest.Exec(b.t, b, sql, args...)
}

// events lists the notices made so far, as "event url", and forgets them.
func (b *testBundle) events() []string {
	b.t.Helper()
	list := dbtest.List[string](b.t, b, `SELECT event || ' ' || url FROM notice ORDER BY id`)
	b.exec(`DELETE FROM notice`)
	return list
}

// make makes a notice to an address of the site.
func (b *testBundle) make(address string) {
	b.t.Helper()
	b.notify(address)
	b.exec(`INSERT INTO notice (site_id, event, detail, url) VALUES ($1, 'parked', 'the token was refused', $2)`, b.site.ID, address)
}

// due makes all notices due now.
func (b *testBundle) due() {
	b.t.Helper()
	b.exec(`UPDATE notice SET next_try_at = clock_timestamp() WHERE next_try_at IS NOT NULL`)
}

func (b *testBundle) deliver() {
	b.t.Helper()
	require.NoError(b.t, Deliver(b.t.Context(), b.cfg))
}

// row is the outcome of a notice so far.
type row struct {
	Tries int
	Sent  bool
	Open  bool
	Error string
}

// only reads the only notice.
func (b *testBundle) only() row {
	b.t.Helper()
	text := dbtest.Value[string](b.t, b, `
		SELECT json_build_object('Tries', tries, 'Sent', sent_at IS NOT NULL, 'Open', next_try_at IS NOT NULL, 'Error', coalesce(error, ''))::text FROM notice`)
	var r row
	require.NoError(b.t, json.Unmarshal([]byte(text), &r))
	return r
}

// receiver takes notices, or refuses them.
type receiver struct {
	*httptest.Server

	mu     sync.Mutex
	status int
	bodies [][]byte
	heads  []http.Header
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.bodies, r.heads = append(r.bodies, body), append(r.heads, req.Header.Clone())
		if r.status == http.StatusFound {
			w.Header().Set("Location", "/other")
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) host(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(r.URL)
	require.NoError(t, err)
	return u.Host
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.bodies)
}

// ids are the ids of the notices that arrived.
func (r *receiver) ids(t *testing.T) (ids []int64) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, body := range r.bodies {
		var m message
		require.NoError(t, json.Unmarshal(body, &m))
		ids = append(ids, m.ID)
	}
	return ids
}
