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

// outageRows last for the whole outage: 15 calls a second.
const outageRows = 280

// PostgreSQL crashes twice in the middle of a run (SIGQUIT is its immediate
// shutdown: nothing is written out, no client is told).
func TestDatabaseRestarts(t *testing.T) {
	t.Parallel()
	s, pg := newStageWithServer(t, 15, time.Second)
	s.startOutage()
	for i := range 2 {
		s.calls(40 * (i + 1))
		pg.crash(t)
		require.NoError(t, pg.start())
	}
	s.endOutage(time.Now())
}

// newStageWithServer has a PostgreSQL of its own, to do to it what others would
// not like.
func newStageWithServer(t *testing.T, limit int, window time.Duration) (*stage, *pgServer) {
	t.Helper()
	if testing.Short() {
		t.Skip("the tests with real processes take more than a minute")
	}
	pg, err := newServer(filepath.Join(workDir, "pg-"+t.Name()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pg.close()) })
	require.NoError(t, pg.migrate("postgres"))
	return stageOn(t, pg.url, limit, window), pg
}

// crash ends the server at once and waits until it is gone.
func (s *pgServer) crash(t *testing.T) {
	t.Helper()
	st, err := embedpg.Inspect(t.Context(), s.cfg)
	require.NoError(t, err)
	require.NotZero(t, st.PID)
	require.NoError(t, syscall.Kill(st.PID, syscall.SIGQUIT))
	gone := func() bool { return syscall.Kill(st.PID, 0) != nil }
	require.Eventually(t, gone, time.Minute, poll, "the server has ended")
}

// startOutage begins a run of two workers that lasts some time.
func (s *stage) startOutage() {
	s.Helper()
	s.enqueue(renames(outageRows, "value"))
	s.worker("first")
	s.worker("second")
	s.calls(20)
}

// endOutage waits for the end after the last fault, and checks it all. A call
// whose outcome could not be told before its lease ended may be made again.
func (s *stage) endOutage(over time.Time) {
	s.Helper()
	left := s.open()
	s.Logf("at rest %.1f s after the outage, %d rows were left", s.rests(over).Seconds(), left)
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

// No database for a while: no calls are made, and when it is back work goes on.
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

// proxyDatabase puts a proxy before the database of all processes.
func (s *stage) proxyDatabase() *proxy {
	s.Helper()
	p := newProxy(s, hostOf(s.T, s.dbURL))
	s.dbURL = at(s.T, s.dbURL, p.addr)
	return p
}

// proxyAPI puts a proxy before the API.
func (s *stage) proxyAPI() *proxy {
	s.Helper()
	p := newProxy(s, hostOf(s.T, s.apiURL))
	s.apiURL = at(s.T, s.apiURL, p.addr)
	return p
}

func hostOf(t *testing.T, rawURL string) string {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err)
	return u.Host
}
