package jobs_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/standin"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const (
	testToken = "tok-4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee1"

	// patience bounds a wait for something that is sure to come, long for a busy
	// machine.
	patience = 2 * time.Minute

	// poll is how often a wait looks at the database.
	poll = 25 * time.Millisecond

	// callTime is a call's deadline where nothing is meant to time out.
	callTime = 20 * time.Second

	// feedEvery is the feed's tick where nothing is said of how long it may take.
	feedEvery = time.Second

	// inTime is what pause, resume and cancel may take (I10).
	inTime = 5 * time.Second
)

// TestMain lets more tests run at once than there are processors: these wait for
// back-offs, windows and heartbeats nearly all of their time.
func TestMain(m *testing.M) {
	dbtest.AtOnce(10)
	os.Exit(m.Run())
}

// settings of a test; the zero ones are an API without a limit, and a lane far
// above what the test sends.
type settings struct {
	api         standin.Config
	baseURL     string // instead of the stand-in's
	callTimeout time.Duration
	lane        db.LaneSettings // its Fingerprint is the token's
	limits      *jobs.Limits
	concurrency int
	times       jobs.Times
}

// testBundle is a database, a site, a stand-in of its API, and all that pools
// working it have logged.
type testBundle struct {
	*db.DB
	settings

	url   string
	site  db.Site
	token string
	api   *standin.Server
	logs  *logs
}

// setup gives a bundle without a pool. At the end of each test nothing holds
// the token.
func setup(t testing.TB, s settings) *testBundle {
	t.Helper()
	if s.lane.Window == 0 {
		s.lane = db.LaneSettings{Limit: 100_000, Window: time.Minute, Fixed: true}
	}
	if s.callTimeout == 0 {
		s.callTimeout = callTime
	}
	if s.times == (jobs.Times{}) {
		s.times.FeedEvery = feedEvery
	}
	url := dbtest.URL(t)
	b := &testBundle{DB: dbtest.Open(t, url), settings: s, url: url, logs: &logs{}}
	b.at(t, db.DefaultSite, testToken, s.api)
	t.Cleanup(func() { b.requireNoToken(t, testToken) })
	return b
}

// at points the bundle at a site with a stand-in and a token of its own.
func (b *testBundle) at(t testing.TB, site, token string, api standin.Config) {
	t.Helper()
	if api.Tokens == nil {
		api.Tokens = []string{token}
	}
	var err error
	b.site, err = b.SiteByName(t.Context(), site)
	require.NoError(t, err)
	b.token = token
	b.api, err = standin.Start(api)
	require.NoError(t, err)
	t.Cleanup(b.api.Close)
}

// besides gives another site in the same database, with a stand-in and a token
// of its own.
func (b *testBundle) besides(t testing.TB, site string, api standin.Config) *testBundle {
	t.Helper()
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: site}))
	other := *b
	other.at(t, site, testToken+"-"+site, api)
	return &other
}

// siteConfig is how a pool reaches the bundle's site, with a client of its own.
func (b *testBundle) siteConfig(t testing.TB) jobs.SiteConfig {
	t.Helper()
	secret, err := webflow.NewToken(b.token)
	require.NoError(t, err)
	url := b.baseURL
	if url == "" {
		url = b.api.URL()
	}
	client, err := webflow.NewClient(webflow.Config{BaseURL: url, Token: secret, Timeout: b.callTimeout})
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	lane := b.lane
	lane.Fingerprint = secret.Fingerprint()
	return jobs.SiteConfig{Site: b.site, Client: client, Lane: lane}
}

// start starts a pool of the bundle's site that ends with the test.
func (b *testBundle) start(t testing.TB) *jobs.Pool {
	t.Helper()
	return b.startWith(t, b.DB, b.siteConfig(t))
}

// startAnother starts a pool as another process would be: with connections and a
// client of its own.
func (b *testBundle) startAnother(t testing.TB) *jobs.Pool {
	t.Helper()
	return b.startWith(t, dbtest.Open(t, b.url), b.siteConfig(t))
}

func (b *testBundle) startWith(t testing.TB, d *db.DB, sites ...jobs.SiteConfig) *jobs.Pool {
	t.Helper()
	limits := jobs.DefaultLimits()
	if b.limits != nil {
		limits = *b.limits
	}
	pool, err := jobs.NewPool(t.Context(), jobs.Config{
		DB: d, Sites: sites, Concurrency: b.concurrency, CallTimeout: b.callTimeout, Limits: limits,
		Times:   b.times,
		Command: "test", Version: "test", Logger: b.logs.logger(),
	})
	require.NoError(t, err)
	require.NoError(t, pool.Start(t.Context()))
	t.Cleanup(func() {
		// Calls that would go on are cut: nothing is asked of them any more.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = pool.Stop(ctx)
	})
	return pool
}

// stop ends a pool as a first signal does.
func stop(t testing.TB, pool *jobs.Pool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, pool.Stop(ctx))
}

// stopHard ends a pool as a second signal does.
func stopHard(t testing.TB, pool *jobs.Pool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, pool.Stop(ctx))
}

// want is one row of a batch: asset n of the stand-in shall have that name.
type want struct {
	asset int
	name  string
}

// names wants assets from (the first) to to (beyond the last) named "PREFIX N".
func names(prefix string, from, to int) []want {
	var list []want
	for n := from; n < to; n++ {
		list = append(list, want{n, fmt.Sprintf("%s %d", prefix, n)})
	}
	return list
}

func rowsOf(list []want) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		for i, w := range list {
			row := db.SourceRow{Line: int64(i + 2), AssetID: standin.AssetID(w.asset), DisplayName: &w.name}
			if !yield(&row, nil) {
				return
			}
		}
	}
}

// load makes a batch and queues its first jobs, as `relabel enqueue` does.
func (b *testBundle) load(t testing.TB, list []want) int64 {
	t.Helper()
	return b.loadWith(t, list, func(*db.LoadParams) {})
}

func (b *testBundle) loadWith(t testing.TB, list []want, change func(*db.LoadParams)) int64 {
	t.Helper()
	client, err := jobs.NewInsertClient(b.DB, b.logs.logger())
	require.NoError(t, err)
	p := db.LoadParams{
		SiteID: b.site.ID, Name: "batch", Source: "test", Priority: 2, Rows: rowsOf(list),
		Queue: func(ctx context.Context, tx pgx.Tx) error {
			_, err := jobs.Feed(ctx, tx, client, b.site, jobs.DefaultWindow)
			return err
		},
	}
	change(&p)
	id, err := b.Load(t.Context(), p)
	require.NoError(t, err)
	return id
}

// feedNow gives due renames their jobs without waiting for a pool's next feed.
func (b *testBundle) feedNow(t testing.TB) {
	t.Helper()
	client, err := jobs.NewInsertClient(b.DB, b.logs.logger())
	require.NoError(t, err)
	require.NoError(t, pgx.BeginFunc(t.Context(), b.Pool(), func(tx pgx.Tx) error {
		_, err := jobs.Feed(t.Context(), tx, client, b.site, jobs.DefaultWindow)
		return err
	}))
}

// hurry makes what waits for its back-off due, and feeds until it has its claim:
// while River has not completed the old job there is no new one.
func (b *testBundle) hurry(t testing.TB) {
	t.Helper()
	if b.exec(t, `
		UPDATE rename SET not_before = least(not_before, clock_timestamp())
		WHERE id IN (
			SELECT id FROM rename WHERE site_id = $1 AND status = 'pending' AND not_before IS NOT NULL
			ORDER BY id FOR NO KEY UPDATE
		)`, b.site.ID) > 0 {
		b.feedNow(t)
	}
}

// until waits for something to come true.
func until(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	untilWithin(t, patience, what, isSo)
}

func untilWithin(t testing.TB, limit time.Duration, what string, isSo func() bool) {
	t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !isSo() {
		select {
		case <-tick.C:
		case <-end.C:
			require.Fail(t, "it did not come in time", what)
		}
	}
}

// quiet makes sure that something stays as it is for a while.
func quiet(t testing.TB, d time.Duration, what string, isSo func() bool) {
	t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		require.True(t, isSo(), what)
		select {
		case <-tick.C:
		case <-end.C:
			return
		}
	}
}

// untilBatch waits until the row of a batch meets a condition in SQL. Many tests wait at the same time, and reading a
// batch's progress costs twenty times as much.
func (b *testBundle) untilBatch(t testing.TB, batch int64, condition string) {
	t.Helper()
	b.untilBatchWithin(t, patience, batch, condition)
}

func (b *testBundle) untilBatchWithin(t testing.TB, limit time.Duration, batch int64, condition string) {
	t.Helper()
	untilWithin(t, limit, fmt.Sprintf("batch %d has %s", batch, condition), func() bool {
		return b.rowHas(t, batch, condition)
	})
}

func (b *testBundle) rowHas(t testing.TB, batch int64, condition string) bool {
	t.Helper()
	return dbtest.Value[bool](t, b, `SELECT (`+condition+`) FROM batch WHERE id = $1`, batch)
}

// untilDone waits until a batch has ended.
func (b *testBundle) untilDone(t testing.TB, batch int64) {
	t.Helper()
	b.untilBatch(t, batch, `status = 'done'`)
}

// hurryUntilDone waits until a batch has ended, and skips its back-offs.
func (b *testBundle) hurryUntilDone(t testing.TB, batch int64) {
	t.Helper()
	until(t, fmt.Sprintf("the end of batch %d", batch), func() bool {
		b.hurry(t)
		return b.rowHas(t, batch, `status = 'done'`)
	})
}

func (b *testBundle) status(t testing.TB, batch int64) records.BatchProgress {
	t.Helper()
	s, err := records.Batch(t.Context(), b.DB, batch)
	require.NoError(t, err)
	return s
}

func (b *testBundle) untilCalls(t testing.TB, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, b.api.WaitCalls(ctx, n))
}

func (b *testBundle) exec(t testing.TB, sql string, args ...any) int64 {
	t.Helper()
	tag, err := b.Pool().Exec(t.Context(), sql, args...)
	require.NoError(t, err)
	return tag.RowsAffected()
}

// value reads one value.
func value[T any](t testing.TB, b *testBundle, sql string, args ...any) T {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return v
}

// renameRow is a rename as it stands.
type renameRow struct {
	ID           int64
	Status       string
	Calls        int
	Failures     int
	HTTPStatus   *int `db:"http_status"`
	Unknown      bool
	SupersededBy *int64
	AppliedName  *string
	Error        *string
}

func (b *testBundle) renames(t testing.TB, batch int64) []renameRow {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), `
		SELECT id, status, calls, failures::int, http_status::int, coalesce(unknown_until > clock_timestamp(), false) AS unknown,
			superseded_by, applied_name, error
		FROM rename WHERE batch_id = $1 ORDER BY id`, batch)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[renameRow])
	require.NoError(t, err)
	return list
}

// only is the one rename of a batch.
func (b *testBundle) only(t testing.TB, batch int64) renameRow {
	t.Helper()
	list := b.renames(t, batch)
	require.Len(t, list, 1)
	return list[0]
}

type attemptRow struct {
	Outcome    string
	HTTPStatus int
	Code       string
	Message    string
	Duration   time.Duration
	SentAt     time.Time
}

func (b *testBundle) attempts(t testing.TB, rename int64) []attemptRow {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), `
		SELECT outcome, coalesce(http_status, 0)::int AS http_status, coalesce(code, '') AS code,
			coalesce(message, '') AS message, duration, sent_at
		FROM attempt WHERE rename_id = $1 ORDER BY fence`, rename)
	require.NoError(t, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[attemptRow])
	require.NoError(t, err)
	return list
}

// few are a lane's settings for a test that changes something after the first n
// calls: there are no more until it lifts the limit.
func few(n int) db.LaneSettings {
	return db.LaneSettings{Limit: n, Window: time.Hour, Fixed: true}
}

func (b *testBundle) lift(t testing.TB) {
	t.Helper()
	require.Positive(t, b.exec(t, `
		UPDATE lane SET call_limit = 100000, ceiling = 100000 WHERE fingerprint = (SELECT lane FROM site WHERE id = $1)`, b.site.ID))
}

// gate puts a gate before the stand-in, for pools that are started from now on:
// the first call waits there until it is opened.
func (b *testBundle) gate(t testing.TB) (arrived <-chan struct{}, open func()) {
	t.Helper()
	came, opened := make(chan struct{}), make(chan struct{})
	var first sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		first.Do(func() {
			close(came)
			<-opened
		})
		b.api.ServeHTTP(w, r)
	}))
	open = sync.OnceFunc(func() { close(opened) })
	t.Cleanup(server.Close)
	t.Cleanup(open)
	b.baseURL = server.URL + "/v2"
	return came, open
}

// untilArrived waits for the call at a gate.
func untilArrived(t testing.TB, arrived <-chan struct{}) {
	t.Helper()
	select {
	case <-arrived:
	case <-time.After(patience):
		require.Fail(t, "no call came")
	}
}

func (b *testBundle) laneState(t testing.TB) records.LaneState {
	t.Helper()
	state, known, err := records.Lane(t.Context(), b.DB, b.site.Name)
	require.NoError(t, err)
	require.True(t, known)
	return state
}

// sent are the names that arrived for an asset, in order.
func (b *testBundle) sent(asset int) []string {
	var list []string
	for _, c := range b.api.Log() {
		if c.AssetID == standin.AssetID(asset) && c.DisplayName != nil {
			list = append(list, *c.DisplayName)
		}
	}
	return list
}

func (b *testBundle) name(asset int) string { return b.api.Name(standin.AssetID(asset), "") }

// requireNoToken looks for a token in all that could be seen of it: every row of
// every table, and the log.
func (b *testBundle) requireNoToken(t testing.TB, token string) {
	t.Helper()
	if t.Failed() {
		return // of no use then, and the database may be gone
	}
	ctx := context.Background()
	forms := []string{token, hex.EncodeToString([]byte(token)), base64.RawStdEncoding.EncodeToString([]byte(token))}
	rows, err := b.Pool().Query(ctx, `SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1`, pg.Schema)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(tables), 12, "ours and River's")
	for _, table := range tables {
		for _, form := range forms {
			var found []string
			rows, err := b.Pool().Query(ctx, `SELECT x::text FROM `+pgx.Identifier{table}.Sanitize()+` x WHERE position($1 IN x::text) > 0`, form)
			require.NoError(t, err)
			found, err = pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			require.Empty(t, found, "the token is in table %s", table)
		}
	}
	for _, form := range forms {
		require.NotContains(t, b.logs.String(), form)
	}
}

// logs keep all that is logged, debug messages too.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
