//go:build unix

package chaos

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/internal/standin"
)

const (
	token = "chaos-token-0123456789"

	// callTimeout, leaseMargin and times are a fifth of their normal values, so that
	// what a killed process held is free after 8 s instead of 45. With shorter times,
	// calls would time out and processes would seem dead on a busy machine.
	callTimeout = 6 * time.Second
	leaseMargin = 2 * time.Second
	lease       = callTimeout + leaseMargin

	// times is the value of RELABEL_TIMES (package failpoint).
	times = "heartbeat=1s,stale=7s,feed=1s"

	// recovery is the promised time of recovery from any single fault.
	recovery = 90 * time.Second

	// poll is how often a condition is checked while waiting.
	poll = 50 * time.Millisecond
)

// stage is the environment of one test: a database, a stand-in API, and relabel
// processes between them.
type stage struct {
	*testing.T
	db     *db.DB // a connection without proxies
	dbURL  string // for the processes
	apiURL string
	api    *standin.Server
	limit  int // calls per window; 0: no limit
	window time.Duration
	within []string // a command that runs the processes on another host
	files  atomic.Int64
}

// newStage makes a database on the shared server, and an API that answers after 30 to
// 60 ms. relabel and the API have the same limit.
func newStage(t *testing.T, limit int, window time.Duration) *stage {
	t.Helper()
	admit(t)
	pg, err := server()
	require.NoError(t, err)
	databaseURL, err := pg.newDatabase(t.Context())
	require.NoError(t, err)
	return stageOn(t, databaseURL, limit, window)
}

func stageOn(t *testing.T, databaseURL string, limit int, window time.Duration) *stage {
	t.Helper()
	api, err := standin.Start(standin.Config{
		Seed: uint64(time.Now().UnixNano()), CreateUnknown: true, Tokens: []string{token},
		Limit: limit, Window: window, Latency: 30 * time.Millisecond, Jitter: 30 * time.Millisecond,
	})
	require.NoError(t, err)
	t.Cleanup(api.Close)
	s := &stage{
		T: t, db: dbtest.Open(t, databaseURL), dbURL: databaseURL,
		api: api, apiURL: api.URL(), limit: limit, window: window,
	}
	t.Cleanup(s.explain)
	return s
}

// on returns the stage with another database.
func (s *stage) on(databaseURL string) *stage {
	return &stage{
		T: s.T, db: dbtest.Open(s.T, databaseURL), dbURL: databaseURL,
		api: s.api, apiURL: s.apiURL, limit: s.limit, window: s.window,
	}
}

// explain logs the outcomes of all calls if the test failed.
func (s *stage) explain() {
	if !s.Failed() {
		return
	}
	rows, err := s.db.Pool().Query(context.Background(), `
		SELECT format('%s attempts: %s %s, slowest %s', count(*), outcome, message, max(duration))
		FROM attempt GROUP BY outcome, message ORDER BY count(*) DESC`)
	if err != nil {
		s.Log("error reading the attempts: ", err)
		return
	}
	list, _ := pgx.CollectRows(rows, pgx.RowTo[string])
	s.Log(strings.Join(list, "\n"))
}

// rate returns the value of WEBFLOW_RATE_LIMIT.
func (s *stage) rate() string {
	if s.limit == 0 {
		return "none"
	}
	return fmt.Sprintf("%d/%s", s.limit, s.window)
}

// withHost replaces the host of a URL, for example by a proxy's.
func withHost(t *testing.T, rawURL, host string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	u.Host = host
	return u.String()
}

// rename is a row to load.
type rename struct{ asset, name string }

// renames returns rows for the first n targets. The names begin with the load's name.
func renames(n int, load string) []rename {
	rows := make([]rename, n)
	for i := range rows {
		rows[i] = rename{standin.AssetID(i), fmt.Sprintf("%s %d", load, i)}
	}
	return rows
}

func (s *stage) csv(rows []rename) string {
	s.Helper()
	path := filepath.Join(s.TempDir(), fmt.Sprintf("rows-%d.csv", s.files.Add(1)))
	f, err := os.Create(path)
	require.NoError(s, err)
	w := csv.NewWriter(f)
	require.NoError(s, w.Write([]string{"asset_id", "display_name"}))
	for _, r := range rows {
		require.NoError(s, w.Write([]string{r.asset, r.name}))
	}
	w.Flush()
	require.NoError(s, w.Error())
	require.NoError(s, f.Close())
	return path
}

// csvInLocale is csv with a column for the primary locale: its id, or empty, which means
// the same.
func (s *stage) csvInLocale(rows []rename, byID bool) string {
	s.Helper()
	text := "asset_id,display_name,locale_id\n"
	for i, r := range rows {
		locale := ""
		if byID && i%2 == 0 {
			locale = primaryLocale
		}
		text += r.asset + "," + r.name + "," + locale + "\n"
	}
	path := filepath.Join(s.TempDir(), fmt.Sprintf("rows-%d.csv", s.files.Add(1)))
	require.NoError(s, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// enqueue loads rows with a command, and returns the batch's number.
func (s *stage) enqueue(rows []rename, flags ...string) int64 {
	s.Helper()
	return s.enqueueFile(s.csv(rows), flags...)
}

func (s *stage) enqueueFile(path string, flags ...string) int64 {
	s.Helper()
	p := s.spawn("enqueue", nil, append([]string{"enqueue", path}, flags...)...)
	require.NoError(s, p.wait(), p.output())
	id, err := strconv.ParseInt(strings.TrimSpace(p.out.String()), 10, 64)
	require.NoError(s, err, p.output())
	return id
}

// eventually waits until so returns true, for at most within.
func (s *stage) eventually(within time.Duration, what string, so func() bool) {
	s.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			require.FailNow(s, "not within "+within.String()+": "+what)
		}
		select {
		case <-s.Context().Done():
			require.FailNow(s, "the test ended while waiting: "+what)
		case <-tick.C:
		}
	}
}

// waitCalls waits until n calls have arrived in total.
func (s *stage) waitCalls(n int) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), recovery)
	defer cancel()
	require.NoError(s, s.api.WaitCalls(ctx, n))
}

// ask reads one value from the database.
func ask[T any](s *stage, sql string, args ...any) (v T) {
	s.Helper()
	require.NoError(s, s.db.Pool().QueryRow(s.Context(), sql, args...).Scan(&v))
	return v
}

// exec changes the tables by hand. It tries again after a deadlock with River, whose
// statements may lock rows in another order.
func (s *stage) exec(sql string, args ...any) int64 {
	s.Helper()
	for {
		tag, err := s.db.Pool().Exec(s.Context(), sql, args...)
		if pg.Transient(err) {
			continue
		}
		require.NoError(s, err)
		return tag.RowsAffected()
	}
}

func (s *stage) open() int {
	s.Helper()
	return ask[int](s, `SELECT count(*) FROM rename WHERE finished_at IS NULL`)
}

// waitFinished waits until every row has ended, and returns the time since then.
func (s *stage) waitFinished(since time.Time) time.Duration {
	s.Helper()
	s.eventually(time.Until(since.Add(recovery)), "every row has ended", func() bool { return s.open() == 0 })
	return time.Since(since)
}

// waitRegistered waits for a worker's first heartbeat, and returns its id.
func (s *stage) waitRegistered(p *process) (id string) {
	s.Helper()
	s.eventually(time.Minute, p.name+" has its heartbeat", func() bool {
		id = ask[string](s, `SELECT coalesce((SELECT id FROM process WHERE pid = $1), '')`, p.pid())
		return id != "" || p.hasEnded()
	})
	require.NotEmpty(s, id, p.output())
	return id
}
