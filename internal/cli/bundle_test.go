package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

const (
	// testToken must never be seen in what the program prints.
	testToken = "0123456789abcdef0123456789abcdeftoken0123456789abcdef0123456789a"

	// patience is above what anything here takes with -race on a machine that is
	// busy with ten other things.
	patience = 4 * time.Minute
)

// testBundle is a user's machine: a working folder, an environment, a stand-in
// API and a database.
type testBundle struct {
	t   *testing.T
	api *standin.Server
	dir string
	env map[string]string
}

// setup gives a database of its own to the test, and an API without a limit.
func setup(t *testing.T, cfg standin.Config) *testBundle {
	t.Helper()
	b := setupPrivate(t, cfg)
	b.env["DATABASE_URL"] = dbtest.URL(t)
	return b
}

// setupPrivate names no database: the program runs its own.
func setupPrivate(t *testing.T, cfg standin.Config) *testBundle {
	t.Helper()
	t.Parallel()
	if cfg.Tokens == nil {
		cfg.Tokens = []string{testToken}
	}
	api, err := standin.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(api.Close)
	return &testBundle{t: t, api: api, dir: t.TempDir(), env: map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": t.TempDir(), "TZ": "UTC",
		"RELABEL_STATE_DIR": stateDir(t),
		"WEBFLOW_API_URL":   api.URL(),
		"WEBFLOW_TOKEN":     testToken, "WEBFLOW_RATE_LIMIT": "none",
	}}
}

// stateDir is a folder that the server's account can reach when root runs the
// tests, with a path short enough for a socket.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "relabel-cli-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755)) // so that the server's account gets in
	return filepath.Join(dir, "state")
}

func (b *testBundle) environ() []string {
	var list []string
	for k, v := range b.env {
		list = append(list, k+"="+v)
	}
	return list
}

// with is the same machine with a variable set, or with an empty value unset.
func (b *testBundle) with(name, value string) *testBundle {
	other := *b
	other.env = maps.Clone(b.env)
	other.env[name] = value
	if value == "" {
		delete(other.env, name)
	}
	return &other
}

// file writes a file into the working folder.
func (b *testBundle) file(name, text string) string {
	b.t.Helper()
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600))
	return name
}

// read reads a file of the working folder.
func (b *testBundle) read(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	require.NoError(b.t, err)
	return string(text)
}

// names is a CSV that renames the first n assets.
func names(n int) string {
	text := "asset_id,display_name\n"
	for i := range n {
		text += fmt.Sprintf("%s,name %d.jpg\n", standin.AssetID(i), i)
	}
	return text
}

// result is how a run of the program ended.
type result struct {
	t              *testing.T
	code           int
	stdout, stderr string
}

func (b *testBundle) run(args ...string) result {
	b.t.Helper()
	return b.start("", args...).wait()
}

func (b *testBundle) pipe(stdin string, args ...string) result {
	b.t.Helper()
	return b.start(stdin, args...).wait()
}

// ok requires the exit code 0.
func (b *testBundle) ok(args ...string) result {
	b.t.Helper()
	return b.run(args...).exits(exitOK)
}

// process is a program that runs.
type process struct {
	b      *testBundle
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr lines
	done   chan struct{}
}

func (b *testBundle) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, relabelBinary, args...)
	cmd.Dir, cmd.Env = b.dir, b.environ()
	return cmd
}

func (b *testBundle) start(stdin string, args ...string) *process {
	b.t.Helper()
	return b.startWith(strings.NewReader(stdin), args...)
}

func (b *testBundle) startWith(stdin io.Reader, args ...string) *process {
	b.t.Helper()
	p := &process{b: b, cmd: b.command(args...), done: make(chan struct{})}
	p.stderr.changed = sync.NewCond(&p.stderr.mu)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = stdin, &p.stdout, &p.stderr
	require.NoError(b.t, p.cmd.Start())
	go func() {
		_ = p.cmd.Wait() // the state tells
		p.stderr.end()
		close(p.done)
	}()
	b.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

func (p *process) signal(sig syscall.Signal) {
	p.b.t.Helper()
	require.NoError(p.b.t, p.cmd.Process.Signal(sig))
}

// says waits until standard error holds the text.
func (p *process) says(text string) {
	p.b.t.Helper()
	require.True(p.b.t, p.stderr.wait(text), "waited for %q on standard error, which is:\n%s", text, &p.stderr)
}

// wait waits for the end, and checks what holds for every run: no secret, no
// stack, at most one error line and nothing after it.
func (p *process) wait() result {
	p.b.t.Helper()
	<-p.done
	r := result{t: p.b.t, code: p.cmd.ProcessState.ExitCode(), stdout: p.stdout.String(), stderr: p.stderr.String()}
	p.b.checkOutput(p.cmd.Args, r)
	return r
}

// problemLine is about one row of a refused source, or the number of further ones.
var problemLine = regexp.MustCompile(`(?m)^error: (line \d+[:,]|and [\d,]+ more problems?;).*\n`)

func (b *testBundle) checkOutput(args []string, r result) {
	b.t.Helper()
	checker.check(b.t, args[1:], r)
	secrets := []string{testToken}
	if u, err := url.Parse(b.env["DATABASE_URL"]); err == nil {
		if password, ok := u.User.Password(); ok {
			secrets = append(secrets, password)
		}
	}
	for _, text := range append(secrets, "goroutine ", "panic:", "DATA RACE", "SQLSTATE") {
		require.NotContains(b.t, r.stdout+r.stderr, text, "%q", args)
	}
	before, after, found := strings.Cut("\n"+problemLine.ReplaceAllString(r.stderr, ""), "\nerror: ")
	if found {
		require.Equal(b.t, len(after)-1, strings.Index(after, "\n"), "after the error line of %q comes more, or another one:\n%s", args, r.stderr)
		require.NotZero(b.t, r.code, before)
	}
}

func (r result) exits(code int) result {
	r.t.Helper()
	require.Equal(r.t, code, r.code, "stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	return r
}

// fails requires an exit code and parts of the one error line, and that
// standard output holds nothing.
func (r result) fails(code int, parts ...string) result {
	r.t.Helper()
	r.exits(code)
	require.Empty(r.t, r.stdout)
	line := r.errorLine()
	for _, part := range parts {
		require.Contains(r.t, line, part)
	}
	return r
}

func (r result) errorLine() string {
	r.t.Helper()
	if _, object, ok := strings.Cut("\n"+r.stderr, "\n{\"error\":"); ok {
		var e errorJSON
		require.NoError(r.t, json.Unmarshal([]byte("{\"error\":"+object), &e), "not one object at the end of:\n%s", r.stderr)
		require.Equal(r.t, r.code, e.Code)
		return e.Error
	}
	_, line, found := strings.Cut("\n"+problemLine.ReplaceAllString(r.stderr, ""), "\nerror: ")
	require.True(r.t, found, "no error line in:\n%s", r.stderr)
	return strings.TrimSuffix(line, "\n")
}

// json reads standard output, which must be one JSON object.
func (r result) json() map[string]any {
	r.t.Helper()
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(r.stdout))
	require.NoError(r.t, d.Decode(&v), r.stdout)
	_, err := d.Token()
	require.ErrorIs(r.t, err, io.EOF, "more than one object:\n%s", r.stdout)
	return v
}

// lines collects what a process says, and lets a test wait for it.
type lines struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    []byte
	ended   bool
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	l.changed.Broadcast()
	return len(b), nil
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.changed.Broadcast()
}

func (l *lines) wait(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !bytes.Contains(l.text, []byte(text)) {
		if l.ended {
			return false
		}
		l.changed.Wait()
	}
	return true
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// calls waits until n calls in all have arrived at the API.
func (b *testBundle) calls(n int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	require.NoError(b.t, b.api.WaitCalls(ctx, n))
}

func (b *testBundle) db() *db.DB {
	b.t.Helper()
	return dbtest.Open(b.t, b.env["DATABASE_URL"])
}

// until waits until a condition in SQL holds. A command that is run again and again would
// take the CPU from what it waits for.
func (b *testBundle) until(condition string) {
	b.t.Helper()
	d := b.db()
	require.Eventually(b.t, func() bool { return dbtest.Value[bool](b.t, d, "SELECT "+condition) }, patience, 50*time.Millisecond, condition)
}

// enqueue loads a CSV and returns the batch number, which is alone on standard
// output.
func (b *testBundle) enqueue(csv string, args ...string) string {
	b.t.Helper()
	r := b.pipe(csv, append([]string{"enqueue", "-"}, args...)...).exits(exitOK)
	id := strings.TrimSuffix(r.stdout, "\n")
	_, err := strconv.Atoi(id)
	require.NoError(b.t, err, "not a batch number alone: %q", r.stdout)
	return id
}

// status is a batch's status object.
func (b *testBundle) status(id string) map[string]any {
	b.t.Helper()
	return b.ok("status", id, "--json").json()
}

// sentOnce requires that each of the first n assets was renamed by one call.
func (b *testBundle) sentOnce(n int) {
	b.t.Helper()
	seen := map[string]int{}
	for _, c := range b.api.Log() {
		if c.Status == 200 {
			seen[c.AssetID]++
		}
	}
	require.Len(b.t, seen, n)
	for id, times := range seen {
		require.Equal(b.t, 1, times, "asset %s", id)
	}
}
