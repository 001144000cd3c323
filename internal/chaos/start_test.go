//go:build unix

package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestStart logs how long short commands take, from the start of the process to its end.
// The bound is far above that, for a busy machine: it finds a wait for River's poll.
func TestStart(t *testing.T) {
	t.Parallel()
	const enough = 25 * time.Second
	s := newStage(t, 0, time.Minute)
	_, err := binary() // it is built outside of the measurement
	require.NoError(t, err)
	for _, args := range [][]string{{"run", s.csv(renames(3, "start"))}, {"status"}, {"--help"}} {
		start := time.Now()
		p := s.spawn(args[0], []string{"RELABEL_TIMES="}, args...)
		require.NoError(t, p.wait(), p.output())
		took := time.Since(start)
		t.Logf("relabel %s: %s", args[0], took.Round(time.Millisecond))
		require.Less(t, took, enough)
	}
}

// TestStartConnections counts the connections that a worker opens when it starts. For each, PostgreSQL starts a process
// and plans the first statements anew. Thanks to the delay, what begins at the same time needs one each.
func TestStartConnections(t *testing.T) {
	t.Parallel()
	const most = 7 // 4 to 6 are usual: one listens, and River begins with its leader and two queues
	s := newStage(t, 0, 0)
	slow := s.proxyDatabase()
	slow.disturb(fault{share: 1, delay: 10 * time.Millisecond})
	id := s.waitRegistered(s.worker("worker"))
	s.eventually(recovery, "all parts of the worker have begun", func() bool {
		return ask[bool](s, `SELECT heartbeat_at > started_at + interval '3 s' FROM process WHERE id = $1`, id)
	})
	t.Logf("%d connections", slow.connections())
	require.LessOrEqual(t, slow.connections(), most)
}
