//go:build unix

package chaos

import (
	"context"
	"net/url"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/embedpg"
)

// outageRows are enough for the whole outage at 15 calls a second.
const outageRows = 280

// PostgreSQL crashes twice during a run. (SIGQUIT is its immediate shutdown, without a
// checkpoint and without a word to clients.)
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	s, pg := newStageWithServer(t, 15, time.Second)
	s.startOutage()
	for i := range 2 {
		s.waitCalls(40 * (i + 1))
		pg.crash(t)
		require.NoError(t, pg.start())
	}
	s.endOutage(time.Now())
}

// newStageWithServer has a PostgreSQL of its own, for tests that crash it.
func newStageWithServer(t *testing.T, limit int, window time.Duration) (*stage, *pgServer) {
	t.Helper()
	admit(t)
	pg, err := newServer(filepath.Join(dataDir, "pg-"+t.Name()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.close()) })
	require.NoError(t, pg.migrate("postgres"))
	return stageOn(t, pg.url, limit, window), pg
}

// crash kills the server, and waits until it has ended.
func (s *pgServer) crash(t *testing.T) {
	t.Helper()
	st, err := embedpg.Inspect(t.Context(), s.cfg)
	require.NoError(t, err)
	require.NotZero(t, st.PID)
	require.NoError(t, syscall.Kill(st.PID, syscall.SIGQUIT))
	gone := func() bool { return syscall.Kill(st.PID, 0) != nil }
	require.Eventually(t, gone, time.Minute, poll, "the server has ended")
}

// startOutage starts two workers and a batch that lasts for the outage.
func (s *stage) startOutage() {
	s.Helper()
	s.enqueue(renames(outageRows, "value"))
	s.worker("first")
	s.worker("second")
	s.waitCalls(20)
}

// endOutage waits for the end of all rows, and checks everything. A call may be made
// twice if its outcome was not stored before its lease ended.
func (s *stage) endOutage(over time.Time) {
	s.Helper()
	left := s.open()
	s.Logf("at rest %.1f s after the outage, %d rows were left", s.waitFinished(over).Seconds(), left)
	s.checkAll()
	s.checkSucceeded(outageRows)
	calls := map[string]int{}
	for _, c := range s.patches() {
		calls[c.AssetID]++
		require.LessOrEqual(s, calls[c.AssetID], 2)
	}
}

// Every connection to the database breaks every 2 s for a while.
func TestConnectionsCut(t *testing.T) {
	t.Parallel()
	s := newStage(t, 15, time.Second)
	p := s.proxyDatabase()
	s.startOutage()
	every := time.NewTicker(2 * time.Second)
	defer every.Stop()
	for range 8 {
		<-every.C
		p.cut()
	}
	s.endOutage(time.Now())
}

// Without a database no calls are made. When it is back, work continues.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	away := 12 * time.Second
	if *longFlag > 0 {
		away = 30 * time.Second
	}
	s := newStage(t, 15, time.Second)
	p := s.proxyDatabase()
	s.startOutage()
	p.down()
	down := time.Now()
	ctx, cancel := context.WithDeadline(t.Context(), down.Add(away))
	defer cancel()
	<-ctx.Done()
	up := time.Now()
	p.up()
	s.endOutage(up)
	for _, c := range s.api.Log() {
		require.False(t, c.ArrivedAt.After(down.Add(time.Second)) && c.ArrivedAt.Before(up), "a call without a database: %+v", c)
	}
}

// proxyDatabase puts a proxy between the processes and the database.
func (s *stage) proxyDatabase() *proxy {
	s.Helper()
	p := newProxy(s, hostOf(s.T, s.dbURL))
	s.dbURL = withHost(s.T, s.dbURL, p.addr)
	return p
}

// proxyAPI puts a proxy between the processes and the API.
func (s *stage) proxyAPI() *proxy {
	s.Helper()
	p := newProxy(s, hostOf(s.T, s.apiURL))
	s.apiURL = withHost(s.T, s.apiURL, p.addr)
	return p
}

func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	return u.Host
}
