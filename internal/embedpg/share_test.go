//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLastOneOutStops(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	first, second := open(t, fastConfig(dir)), open(t, fastConfig(dir))
	require.Equal(t, first.URL(), second.URL())
	pid := serverPID(t, dir)
	closeServer(t, first)
	require.Equal(t, pid, serverPID(t, dir), "still used by the second")
	require.Equal(t, 1, query[int](t, second.URL(), "SELECT 1"))
	closeServer(t, second)
	require.Zero(t, serverPID(t, dir))
	eventually(t, "the process is gone and collected", func() bool { return !alive(pid) })
}

func TestProcessesShareOneServer(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	var helpers []*helper
	for range 4 { // all at the same instant, on a folder that isn't there yet
		helpers = append(helpers, startHelper(t, dir))
	}
	urls := map[string]bool{}
	for _, h := range helpers {
		urls[h.line(t, "open")] = true
	}
	require.Len(t, urls, 1)
	pid := serverPID(t, dir)
	for _, h := range helpers {
		require.True(t, alive(pid))
		h.close(t)
	}
	st, err := Inspect(t.Context(), Config{StateDir: dir})
	require.NoError(t, err)
	require.False(t, st.Running, "the last one stopped it")
	log, err := os.ReadFile(st.LogFile)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(log), "ready to accept connections"), "one server was started, once")
}

// Commands that come and go at random are the hardest test for "the last one out stops it".
func TestProcessesComeAndGo(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	const rounds = 3
	for round := range rounds {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			a, b := startHelper(t, dir), startHelper(t, dir)
			a.line(t, "open")
			require.NoError(t, a.stdin.Close()) // closes while b may still be opening
			require.Equal(t, 1, query[int](t, b.line(t, "open"), "SELECT 1"))
			a.line(t, "closed")
			b.close(t)
			require.Zero(t, serverPID(t, dir))
		})
	}
}

func TestKilledCommandLeavesItUsable(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	h := startHelper(t, dir)
	execSQL(t, h.line(t, "open"), "CREATE TABLE kept (n int)")
	pid := serverPID(t, dir)
	h.kill(t)
	require.True(t, alive(pid), "the server outlives a killed command")

	s := open(t, fastConfig(dir))
	require.Equal(t, pid, serverPID(t, dir), "the orphan is joined")
	require.Zero(t, query[int](t, s.URL(), "SELECT count(*)::int FROM kept"))
	closeServer(t, s)
	require.Zero(t, serverPID(t, dir), "and stopped by the next one out")
}

func TestStop(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	cfg := fastConfig(dir)
	require.NoError(t, Stop(t.Context(), cfg), "nothing to stop")
	require.NoDirExists(t, dir)
	h := startHelper(t, dir)
	h.line(t, "open")
	require.ErrorIs(t, Stop(t.Context(), cfg), ErrInUse)
	h.kill(t)
	require.NotZero(t, serverPID(t, dir))
	require.NoError(t, Stop(t.Context(), cfg))
	require.Zero(t, serverPID(t, dir))
	require.NoError(t, Stop(t.Context(), cfg), "stopping twice is fine")
}

func TestCtrlCDoesNotReachTheServer(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	other := open(t, fastConfig(dir)) // so that the helper's orderly end isn't the server's
	closeServer(t, other)
	h := startHelper(t, dir)
	h.line(t, "open")
	stay := open(t, fastConfig(dir))
	pid := serverPID(t, dir)
	require.NoError(t, syscall.Kill(-h.cmd.Process.Pid, syscall.SIGINT)) // the whole group, as a terminal does
	h.line(t, "closed")
	require.NoError(t, h.cmd.Wait())
	require.Equal(t, pid, serverPID(t, dir))
	require.Equal(t, 1, query[int](t, stay.URL(), "SELECT 1"))
}

func TestKilledWhileMakingTheDataFolder(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	// An initdb that has done half its work and hangs.
	bin := scripts(t, map[string]string{"initdb": `mkdir "$2/base"; echo 15 >"$2/PG_VERSION"; exec sleep 1000`})
	h := startHelper(t, dir, withPath(bin))
	var half []string
	eventually(t, "initdb is half done", func() bool {
		half, _ = filepath.Glob(filepath.Join(dir, "init-*", "data", "PG_VERSION"))
		return len(half) == 1
	})
	h.kill(t)
	s := open(t, fastConfig(dir))
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
	require.NoFileExists(t, half[0], "the half folder is swept away")
	killSleepers(t, filepath.Dir(half[0]))
}

// killSleepers ends the hanging script: it works for a folder that nobody else has.
func killSleepers(t *testing.T, marker string) {
	t.Helper()
	matches, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range matches {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		dir, _ := os.Readlink(filepath.Join(filepath.Dir(path), "cwd"))
		args, _ := os.ReadFile(path)
		if string(args) == "sleep\x001000\x00" && strings.HasPrefix(marker, dir+"/") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// A command is killed when its server process runs and hasn't got to the data folder yet.
func TestKilledWhileStarting(t *testing.T) {
	t.Parallel()
	dir, gate := stateDir(t), filepath.Join(openDir(t), "gate")
	closeServer(t, open(t, fastConfig(dir)))
	require.NoError(t, syscall.Mkfifo(gate, 0o666))
	require.NoError(t, os.Chmod(gate, 0o666))
	late := fmt.Sprintf(`case "$1" in -D) read go <%s;; esac; exec REAL/postgres "$@"`, gate)
	h := startHelper(t, dir, withPath(scripts(t, map[string]string{"postgres": late})))
	w, err := os.OpenFile(gate, os.O_WRONLY, 0) // returns when the script reads
	require.NoError(t, err)
	h.kill(t)

	s := open(t, fastConfig(dir))
	pid := serverPID(t, dir)
	_, err = w.WriteString("go\n")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	logHas(t, s, fmt.Sprintf("Is another postmaster (PID %d) running", pid))
	require.Equal(t, 1, query[int](t, s.URL(), "SELECT 1"))
}

func logHas(t *testing.T, s *Server, text string) {
	t.Helper()
	eventually(t, "the log says "+text, func() bool {
		return strings.Contains(readLog(s.in.layout.log(s.major), 0), text)
	})
}

// An orphan that is just starting is waited for, not fought over: PostgreSQL refuses the second one, and it is
// joined when it is ready.
func TestOrphanThatIsStartingIsJoined(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	pid := serverPID(t, dir)
	file := filepath.Join(s.in.data(s.major), "postmaster.pid")
	whole, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(whole), "\n")
	overwrite(t, file, strings.Join(lines[:3], "")) // as it is before the socket is open

	joined := make(chan error, 1)
	go func() {
		other, err := Open(context.Background(), fastConfig(dir))
		if err == nil {
			err = other.Close(context.Background())
		}
		joined <- err
	}()
	logHas(t, s, "Is another postmaster (PID "+strconv.Itoa(pid))
	overwrite(t, file, string(whole))
	require.NoError(t, <-joined)
	require.Equal(t, pid, serverPID(t, dir))
}

// overwrite keeps the file itself: the server checks that it is still the one it made.
func overwrite(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestCloseWithContextOver(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s, err := Open(t.Context(), fastConfig(dir))
	require.NoError(t, err)
	pid := serverPID(t, dir)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	last := query[int](t, s.URL(), `SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'`)
	require.NoError(t, syscall.Kill(last, syscall.SIGSTOP)) // else the server may have ended by the time that Close looks
	require.ErrorIs(t, s.Close(over), context.Canceled)
	require.NoError(t, syscall.Kill(last, syscall.SIGCONT))
	again := open(t, fastConfig(dir)) // waits for the one that is stopping
	require.NotEqual(t, pid, serverPID(t, dir), "it was told to stop all the same")
	require.Equal(t, 1, query[int](t, again.URL(), "SELECT 1"))
}

// While somebody starts or stops the server, a command whose context ends stops waiting.
func TestOpenWaitsForControlNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, fastConfig(dir))
	control, err := lockControl(t.Context(), s.in.layout, s.in.log)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ctx, fastConfig(dir))
	require.ErrorIs(t, err, context.Canceled)
	st, err := Inspect(t.Context(), Config{StateDir: dir})
	require.NoError(t, err)
	require.True(t, st.InUse)
	require.NoError(t, control.Unlock())
}
