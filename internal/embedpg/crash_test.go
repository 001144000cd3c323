//go:build unix

package embedpg

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServerCrashIsRecovered(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, Config{StateDir: dir})
	execSQL(t, s.URL(), "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	pid := serverPID(t, dir)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	again := open(t, Config{StateDir: dir}) // the stale postmaster.pid is replaced by PostgreSQL
	require.Equal(t, 1000, query[int](t, again.URL(), "SELECT count(*)::int FROM kept"))
	closeServer(t, s)
	require.NotZero(t, serverPID(t, dir), "the second still uses it")
}

// After a crash and a reboot the number in postmaster.pid may be another process's. Where PostgreSQL won't judge
// that the file is stale, it stays, and the process is not touched.
func TestForeignProcessInPidFile(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	closeServer(t, s)
	cmd := s.in.account.command(t.Context(), "/", "/bin/sleep", "1000")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	file := filepath.Join(s.in.data(s.major), "postmaster.pid")
	text := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n\nready   \n", cmd.Process.Pid, s.in.data(s.major), filepath.Join(dir, "run"))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	require.NoError(t, s.in.account.chown(file))

	_, err := Open(t.Context(), fastConfig(dir))
	require.ErrorContains(t, err, fmt.Sprintf("Is another postmaster (PID %d) running", cmd.Process.Pid))
	require.NotContains(t, err.Error(), "\n")
	st, err := Inspect(t.Context(), fastConfig(dir))
	require.NoError(t, err)
	require.False(t, st.Running)
	require.Contains(t, st.Problem, fmt.Sprint(cmd.Process.Pid))
	require.ErrorContains(t, Stop(t.Context(), fastConfig(dir)), "doesn't answer")
	left, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, text, string(left))
	require.True(t, alive(cmd.Process.Pid))
	require.NoError(t, os.Remove(file))
}

// The server's account owns postmaster.pid. What it writes there must not make root signal another's process.
func TestRootSignalsOnlyTheAccount(t *testing.T) {
	t.Parallel()
	needRoot(t)
	dir := stateDir(t)
	s, err := Open(t.Context(), fastConfig(dir))
	require.NoError(t, err)
	victim := exec.Command("/bin/sleep", "1000")
	require.NoError(t, victim.Start())
	ended := make(chan error, 1)
	go func() { ended <- victim.Wait() }()
	t.Cleanup(func() { _ = victim.Process.Kill() })
	file := filepath.Join(s.in.data(s.major), "postmaster.pid")
	real, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(real), "\n")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, "%d\n%s", victim.Process.Pid, rest), 0o600))

	require.ErrorContains(t, s.Close(t.Context()), "it is no process of account")
	select {
	case err := <-ended:
		require.Fail(t, "root's process was signalled", "%v", err)
	default:
	}
	require.NoError(t, os.WriteFile(file, real, 0o600))
	require.NoError(t, Stop(t.Context(), fastConfig(dir)))
}

// Nor must it make us connect to another machine, with our password.
func TestProbeConnectsToSocketsOnly(t *testing.T) {
	t.Parallel()
	in := &instance{layout: layout(openDir(t))}
	require.NoError(t, os.MkdirAll(in.data(17), 0o700))
	require.NoError(t, os.WriteFile(in.password(17), []byte("secret"), 0o600))
	for _, host := range []string{"localhost", "127.0.0.1", "/nowhere,localhost"} {
		text := fmt.Sprintf("%d\n%s\n1700000000\n1\n%s\n\n\nready   \n", os.Getpid(), in.data(17), host)
		require.NoError(t, os.WriteFile(filepath.Join(in.data(17), "postmaster.pid"), []byte(text), 0o600))
		r, h, err := in.probe(t.Context(), 17)
		require.NoError(t, err)
		require.Equal(t, unresponsive, h)
		require.Empty(t, r.reason, "it tried to connect to %s", host)
	}
}

func TestOtherMajorIsNeverTouched(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	closeServer(t, s)
	old := layout(s.in.layout)
	require.NoError(t, os.Rename(old.home(s.major), old.home(99)))
	require.NoError(t, os.WriteFile(filepath.Join(old.data(99), "PG_VERSION"), []byte("99\n"), 0o600))
	before := tree(t, old.home(99))

	_, err := Open(t.Context(), fastConfig(dir))
	require.ErrorContains(t, err, "is of version 99")
	require.ErrorContains(t, err, "install PostgreSQL 99")
	require.ErrorContains(t, err, "RELABEL_STATE_DIR")
	require.NoDirExists(t, old.home(s.major), "no empty database beside the old one")
	require.Equal(t, before, tree(t, old.home(99)))
	st, err := Inspect(t.Context(), fastConfig(dir))
	require.NoError(t, err)
	require.Equal(t, 99, st.Major)
	require.Contains(t, st.Problem, "install PostgreSQL 99")
}

// tree is a folder's files with their sizes and times.
func tree(t *testing.T, dir string) string {
	t.Helper()
	out, err := exec.Command("ls", "-lnR", "--time-style=full-iso", dir).CombinedOutput()
	if err != nil { // no GNU ls
		out, err = exec.Command("ls", "-lnR", dir).CombinedOutput()
	}
	require.NoError(t, err)
	return string(out)
}

func TestDataFolderThatIsNotWhole(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, l layout, major int){
		"emptied":   func(t *testing.T, l layout, major int) { require.NoError(t, os.RemoveAll(l.data(major))) },
		"misplaced": func(t *testing.T, l layout, major int) { require.NoError(t, os.Rename(l.home(major), l.home(16))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := stateDir(t)
			l := layout(dir)
			require.NoError(t, os.MkdirAll(l.data(15), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(l.data(15), "PG_VERSION"), []byte("15\n"), 0o600))
			require.NoError(t, os.Chmod(dir, 0o755))
			spoil(t, l, 15)
			_, err := Open(t.Context(), fastConfig(dir))
			require.ErrorContains(t, err, "move it")
			homes, err := filepath.Glob(filepath.Join(dir, "pg*"))
			require.NoError(t, err)
			require.Len(t, homes, 1)
			require.NoError(t, os.RemoveAll(homes[0]))
		})
	}
}

func TestInitdbFailureIsReported(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	cfg := fastConfig(dir)
	cfg.search = &search{path: scripts(t, map[string]string{"initdb": "echo first; echo 'no space left' >&2; exit 1"})}
	_, err := Open(t.Context(), cfg)
	require.ErrorContains(t, err, "no space left")
	require.NotContains(t, err.Error(), "\n")
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "locks")}, left)
}

// initdb sees no secret in its arguments or environment but the name of the password's file.
func TestInitdbGetsNoSecrets(t *testing.T) {
	dir, out := stateDir(t), filepath.Join(openDir(t), "out")
	require.NoError(t, os.WriteFile(out, nil, 0o666))
	require.NoError(t, os.Chmod(out, 0o666))
	t.Setenv("WEBFLOW_TOKEN", "not-for-the-server")
	cfg := fastConfig(dir)
	cfg.search = &search{path: scripts(t, map[string]string{"initdb": `echo "$@" >>` + out + `; env >>` + out + `; exec REAL/initdb "$@"`})}
	s := open(t, cfg)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Contains(t, string(text), "--pwfile=")
	require.NotContains(t, string(text), "not-for-the-server")
	require.NotContains(t, string(text), password(t, s))
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, "="); ok && strings.ToUpper(name) == name {
			require.Contains(t, "PATH LC_ALL LANG TZ PWD SHLVL _ OLDPWD", name)
		}
	}
}
