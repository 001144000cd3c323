package embedpg

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What the running server was given, as the kernel tells it.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	h := startHelper(t, dir) // a command with a token in its environment
	h.line(t, "open")
	st, err := Inspect(t.Context(), Config{StateDir: dir})
	require.NoError(t, err)
	proc := fmt.Sprintf("/proc/%d/", st.PID)
	read := func(name string) string {
		text, err := os.ReadFile(proc + name)
		require.NoError(t, err)
		return string(text)
	}

	env := strings.Split(strings.TrimRight(read("environ"), "\x00"), "\x00")
	require.Subset(t, append(serverEnv(), "PG_GRANDPARENT_PID", "PGLOCALEDIR=", "PGSYSCONFDIR="), trimPaths(env))
	require.NotContains(t, read("cmdline"), "password=")
	pw, err := os.ReadFile(layout(dir).password(st.Major))
	require.NoError(t, err)
	require.NotContains(t, read("cmdline"), strings.TrimSpace(string(pw)))

	a, err := chooseAccount(st.DataDir, Config{}.logger())
	require.NoError(t, err)
	require.Contains(t, read("status"), fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d\n", a.uid, a.uid, a.uid, a.uid))
	if a.switched {
		require.Regexp(t, `(?m)^Groups:\s*$`, read("status"), "root's groups are gone")
	}

	fds, err := filepath.Glob(proc + "fd/*")
	require.NoError(t, err)
	require.NotEmpty(t, fds)
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil {
			require.NotContains(t, target, ".lock", "the server must not hold our locks")
		}
	}

	sid, err := unix.Getsid(st.PID)
	require.NoError(t, err)
	require.Equal(t, st.PID, sid, "a session of its own: no terminal, no Ctrl-C")
	h.close(t)
}

// trimPaths leaves out where PostgreSQL found its own files, which it sets by itself.
func trimPaths(env []string) []string {
	for i, kv := range env {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "PGLOCALEDIR") || strings.HasPrefix(name, "PGSYSCONFDIR") {
			env[i] = name + "="
		}
	}
	return env
}
