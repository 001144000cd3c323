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
