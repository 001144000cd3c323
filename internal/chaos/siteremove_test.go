//go:build unix

package chaos

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// ends runs a command about sites, and returns what it printed.
func (s *changingSites) ends(args ...string) (*process, error) {
	s.Helper()
	p := s.spawn(args[0], nil, args...)
	return p, p.wait()
}

// A site is removed while a worker works it: the worker leaves it without an error, and
// nothing but the audit log is left. The same name begins afresh.
func TestSiteIsRemoved(t *testing.T) {
	t.Parallel()
	s := newChangingSites(t)
	const rows = 20
	s.set("--site", "shop", "--token-file", s.setToken("shop", "shop-token-0123456789"))
	s.waitWorked("default", "shop")
	s.load("shop", 0, rows)
	s.waitEnded()

	_, err := s.ends("site", "pause", "--site", "shop")
	require.NoError(t, err)
	s.load("shop", rows, 1)
	p, err := s.ends("site", "remove", "shop", "--yes")
	require.Error(t, err)
	require.Contains(t, p.output(), "site shop can't be removed: these batches have not ended: 2. First: `relabel batch cancel 2`")
	p, err = s.ends("batch", "cancel", "2")
	require.NoError(t, err, p.output())
	p, err = s.ends("site", "remove", "shop", "--yes")
	require.NoError(t, err, p.output())
	require.Contains(t, p.output(), "site shop is removed, with")
	s.waitWorked("default")
	s.eventually(sitesWithin, "no job is left", func() bool { return ask[int](s.stage, `SELECT count(*)::int FROM river_job`) == 0 })
	require.Zero(t, ask[int](s.stage, `SELECT (SELECT count(*) FROM batch)::int + (SELECT count(*) FROM rename)::int + (SELECT count(*) FROM attempt)::int`))
	require.Equal(t, "done", ask[string](s.stage, `SELECT result FROM audit WHERE action = 'remove' AND subject = 'site shop' ORDER BY id DESC LIMIT 1`))
	p, err = s.ends("site", "list")
	require.NoError(t, err)
	require.NotContains(t, p.output(), "shop")

	calls := s.api.Calls()
	s.set("--site", "shop", "--token-file", s.setToken("shop", "shop-token-0123456789"))
	s.waitWorked("default", "shop")
	s.load("shop", 0, rows)
	s.waitEnded()
	s.checkSucceeded(rows)
	require.Equal(t, calls+rows, s.api.Calls(), "nothing is known of the rows before")
	require.Equal(t, int64(1), ask[int64](s.stage, `SELECT max(acceptance) FROM batch`))
	s.worker.signal(syscall.SIGTERM)
	require.NoError(t, s.worker.wait(), s.worker.output())
	require.Contains(t, s.worker.output(), "site shop is removed; this process has left it")
	for _, bad := range []string{"WARN", "ERROR", "error"} {
		require.NotContains(t, s.worker.output(), bad)
	}
}
