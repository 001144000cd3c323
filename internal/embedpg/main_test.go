//go:build unix

package embedpg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// helperVar, when set, makes the test binary a command that uses the private server, for tests that need several
// processes or must kill one. Its value is the state folder.
const helperVar = "EMBEDPG_HELPER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperVar); dir != "" {
		os.Exit(helperMain(dir))
	}
	os.Exit(m.Run())
}

// helperMain opens the server, says so on a line, and closes it when its standard input ends or it is interrupted.
func helperMain(dir string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	s, err := Open(ctx, Config{StateDir: dir, Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("open", s.URL())
	ended := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	if err := s.Close(context.Background()); err != nil {
		fmt.Println("error", err)
		return 1
	}
	fmt.Println("closed")
	return 0
}

// helper is a running helper process.
type helper struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
}

func startHelper(t *testing.T, dir string, change ...func(*exec.Cmd)) *helper {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), helperVar+"="+dir, "WEBFLOW_TOKEN=not-for-the-server")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	for _, f := range change {
		f(cmd)
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	h := &helper{cmd: cmd, stdin: stdin, out: bufio.NewReader(stdout)}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return h
}

// line waits for the helper's next line and gives what follows the wanted word.
func (h *helper) line(t *testing.T, word string) string {
	t.Helper()
	line, err := h.out.ReadString('\n')
	require.NoError(t, err, "the helper ended without %q", word)
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), word)
	require.True(t, ok, "the helper said %q, not %q", line, word)
	return strings.TrimSpace(rest)
}

func (h *helper) close(t *testing.T) {
	t.Helper()
	require.NoError(t, h.stdin.Close())
	h.line(t, "closed")
	require.NoError(t, h.cmd.Wait())
}

func (h *helper) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, h.cmd.Process.Kill())
	_ = h.cmd.Wait()
}

// withPath puts a folder before the helper's PATH.
func withPath(dir string) func(*exec.Cmd) {
	return func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, "PATH="+dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
}

// openDir is a temporary folder that the server's account can reach, which t.TempDir isn't for root.
func openDir(t testing.TB) string {
	t.Helper()
	return openDirIn(t, "")
}

func openDirIn(t testing.TB, parent string) string {
	t.Helper()
	dir, err := os.MkdirTemp(parent, "embedpg-")
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	dir, err = filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// stateDir is a state folder of its own for a test, whose server is stopped at the end, come what may.
func stateDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(openDirIn(t, memory()), "state")
	stopAtEnd(t, dir)
	return dir
}

// memory is a folder in memory, if TMPDIR names no other and there is room: a data folder has a thousand files, and a disk
// takes as long to make them as initdb for all the rest.
func memory() string {
	const path, room = "/dev/shm", 1 << 30
	var s syscall.Statfs_t
	if os.Getenv("TMPDIR") != "" || syscall.Statfs(path, &s) != nil || uint64(s.Bavail)*uint64(s.Bsize) < room {
		return ""
	}
	return path
}

func stopAtEnd(t testing.TB, dir string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Stop(ctx, Config{StateDir: dir}); err != nil {
			t.Logf("error stopping at the end: %v", err)
			killServers(dir)
		}
	})
}

// killServers is for a server that a failed test left in a state where Stop can't stop it.
func killServers(dir string) {
	matches, _ := filepath.Glob(filepath.Join(dir, "pg*", "data"))
	for _, data := range matches {
		if p, ok := readPidFile(data); ok {
			_ = syscall.Kill(p.pid, syscall.SIGQUIT)
		}
	}
}

func fastConfig(dir string) Config {
	return Config{StateDir: dir, Settings: map[string]string{"fsync": "off"}}
}

func open(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Open(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

func closeServer(t testing.TB, s *Server) {
	t.Helper()
	require.NoError(t, s.Close(t.Context()))
}

func query[T any](t testing.TB, url, sql string) T {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), sql)
	require.NoError(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return v
}

func execSQL(t testing.TB, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

// serverPID is the running server's process, 0 for none.
func serverPID(t testing.TB, dir string) int {
	t.Helper()
	st, err := Inspect(t.Context(), Config{StateDir: dir})
	require.NoError(t, err)
	return st.PID
}

// realBinaries are those of this machine; tests that put scripts in front of them need their place.
func realBinaries(t testing.TB) binaries {
	t.Helper()
	in := &instance{layout: layout(os.TempDir())}
	a, err := chooseAccount("", Config{}.logger())
	require.NoError(t, err)
	in.account = a
	b, _, err := in.finder().find(t.Context(), 0)
	require.NoError(t, err)
	require.NotEmpty(t, b.dir, "no PostgreSQL server binaries on this machine: the tests of embedpg need them")
	return b
}

// scripts makes a folder of server programs that run the real ones, but for those that are given as shell scripts.
// REAL in a script stands for the real folder.
func scripts(t testing.TB, changed map[string]string) string {
	t.Helper()
	dir, real := openDir(t), realBinaries(t).dir
	for _, program := range serverPrograms() {
		text := "exec REAL/" + program + ` "$@"`
		if s, ok := changed[program]; ok {
			text = s
		}
		text = "#!/bin/sh\n" + strings.ReplaceAll(text, "REAL", real) + "\n"
		writeScript(t, filepath.Join(dir, program), text)
	}
	return dir
}

// writeScript makes a program that every account may run, whatever the umask.
func writeScript(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, mkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o755))
	require.NoError(t, os.Chmod(path, 0o755))
}

// eventually waits for something another process does.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 30*time.Second, 10*time.Millisecond, what)
}
