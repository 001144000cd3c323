//go:build unix

package chaos

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a running relabel.
type process struct {
	name     string
	cmd      *exec.Cmd
	out, err buffer
	ended    chan struct{}
	failure  error
}

// spawn starts relabel. If it still runs at the end of the test, it is killed.
func (s *stage) spawn(name string, env []string, args ...string) *process {
	s.Helper()
	bin, err := binary()
	require.NoError(s, err)
	return s.spawnFrom(bin, name, env, args...)
}

// spawnFrom is spawn with another build of relabel.
func (s *stage) spawnFrom(bin, name string, env []string, args ...string) *process {
	s.Helper()
	command := slices.Concat(s.within, []string{bin}, args)
	p := &process{name: name, cmd: exec.Command(command[0], command[1:]...), ended: make(chan struct{})}
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + s.dbURL, "WEBFLOW_TOKEN=" + token, "WEBFLOW_API_URL=" + s.apiURL,
		"WEBFLOW_RATE_LIMIT=" + s.rate(), "RELABEL_CALL_TIMEOUT=" + callTimeout.String(), "RELABEL_TIMES=lease-margin=" + leaseMargin.String() + "," + times,
		"RELABEL_SOURCE_DIRS=" + os.TempDir(),
	}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	require.NoError(s, p.cmd.Start())
	go func() {
		p.failure = p.cmd.Wait()
		close(p.ended)
	}()
	s.Cleanup(func() {
		p.kill()
		if s.Failed() {
			s.Log(p.output())
		}
		if raced := strings.Contains(p.err.String(), "WARNING: DATA RACE"); raced {
			s.Error(p.output())
		}
	})
	return p
}

// worker starts `relabel work`.
func (s *stage) worker(name string, env ...string) *process {
	s.Helper()
	return s.spawn(name, env, "work", "--same-failure", "0")
}

// failpoint returns the environment variable that kills or stops a process at a place.
func failpoint(place string) string { return "RELABEL_FAILPOINT=" + place }

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// kill kills the process, and waits until it has ended.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
}

func (p *process) wait() error {
	<-p.ended
	return p.failure
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// waitKilled waits until a process is killed by its failpoint, and returns the time.
func (s *stage) waitKilled(p *process) time.Time {
	s.Helper()
	select {
	case <-p.ended:
	case <-time.After(recovery):
		require.FailNow(s, p.name+" never came to its failpoint", p.output())
	}
	require.True(s, p.wasKilled(), "%s ended otherwise: %s", p.name, p.output())
	return time.Now()
}

// wasKilled reports whether an ended process was killed.
func (p *process) wasKilled() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// needsProc skips t where no /proc shows whether a process is stopped.
func needsProc(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("whether a process is stopped is read from /proc")
	}
}

// waitStopped waits until a process is stopped by its failpoint.
func (s *stage) waitStopped(p *process) {
	s.Helper()
	s.eventually(recovery, p.name+" is stopped", func() bool { return s.isStopped(p) })
}

// isStopped reports whether a process is stopped by SIGSTOP.
func (s *stage) isStopped(p *process) bool {
	s.Helper()
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid()) + "/stat")
	require.NoError(s, err)
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return bytes.HasPrefix(rest, []byte("T"))
}

// output returns the end of a process's standard error, for people.
func (p *process) output() string {
	const most = 4000
	text := p.err.String()
	if len(text) > most {
		text = "..." + text[len(text)-most:]
	}
	return fmt.Sprintf("%s (process %d):\n%s", p.name, p.pid(), text)
}

// buffer collects a process's output, and can be read meanwhile.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
