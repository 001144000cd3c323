//go:build !windows

package intake

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// daemonTime is how long the daemons of the tests hold the pipe, and soon much less: when a load must have ended.
	daemonTime = "100"
	soon       = 50 * time.Second
)

func start(ctx context.Context, t *testing.T, line string, idle time.Duration) *process {
	t.Helper()
	p, err := startProcess(ctx, append(shellWords(), line), os.Environ(), idle)
	require.NoError(t, err)
	t.Cleanup(p.stop)
	return p
}

// daemon is a shell command that leaves another one behind in a session of its own, where killing the group does not reach it.
func daemon(t *testing.T, line string) string {
	t.Helper()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("no setsid here")
	}
	ready := filepath.Join(t.TempDir(), "ready")
	return "setsid sh -c 'echo >" + ready + "; " + line + "' & while [ ! -e " + ready + " ]; do sleep 0.02; done; echo rows; "
}

func TestProcessIsNotHeldUpByADaemon(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		then, want string
		idle       time.Duration
	}{
		"succeeded": {"exit 0", "", time.Minute},
		"failed":    {"exit 3", "exit status 3", time.Minute},
		"silent":    {"sleep " + daemonTime, "wrote nothing for 1s and was ended", time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			text, err := io.ReadAll(start(t.Context(), t, daemon(t, "exec sleep "+daemonTime)+c.then, c.idle))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "rows\n", string(text))
			} else {
				require.ErrorContains(t, err, c.want)
			}
			require.Less(t, time.Since(began), soon)
		})
	}
}

// Ctrl-C ends a load whether the command still runs or only a daemon, and whether that is silent or writes.
func TestProcessIsCancelledBesideADaemon(t *testing.T) {
	t.Parallel()
	writes := "i=0; while [ $i -lt " + daemonTime + " ] && echo more; do sleep 1; i=$((i+1)); done"
	for name, line := range map[string]string{
		"it runs":       daemon(t, "exec sleep "+daemonTime) + "sleep " + daemonTime,
		"daemon writes": daemon(t, writes),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := start(ctx, t, line, time.Minute)
			_, err := p.Read(make([]byte, 1))
			require.NoError(t, err)
			if name == "daemon writes" {
				<-p.done
			}
			cancel()
			_, err = io.Copy(io.Discard, p)
			require.ErrorIs(t, err, context.Canceled)
			require.Less(t, time.Since(began), soon)
		})
	}
}

// What a command has written is read to its end, however long after its own.
func TestProcessIsReadAfterItsEnd(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("x", 10_000) // a pipe holds it
	p := start(t.Context(), t, "printf %s "+want, time.Minute)
	<-p.done
	text, err := io.ReadAll(p)
	require.NoError(t, err)
	require.Equal(t, want, string(text))
}
