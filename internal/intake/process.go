package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	show "relabel/internal/text"
)

const (
	// stderrKept is how much of the end of a command's standard error is kept, and stderrLines how much of that is shown.
	stderrKept  = 4 << 10
	stderrLines = 3
	stderrShown = 500

	// processWait is how long the pipes of an ended command stay open for a child that it left behind. A child in a session
	// of its own is not killed with the command.
	processWait = 2 * time.Second
)

// process is a command that writes to a pipe. Read returns io.EOF only if it succeeded.
type process struct {
	cmd    *exec.Cmd
	out    *os.File
	stderr tail
	idle   time.Duration
	ctxErr func() error // why its context has ended, or nil

	silent atomic.Bool   // it was killed because it wrote nothing for too long
	done   chan struct{} // closed when it has ended
	err    error         // then why it failed
}

// startProcess starts a command in a process group of its own, so that its children can be killed with it.
func startProcess(ctx context.Context, words, env []string, idle time.Duration) (*process, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close() //nolint:errcheck // the command has its own copy
	p := &process{cmd: exec.CommandContext(ctx, words[0], words[1:]...), out: read, idle: idle, ctxErr: ctx.Err, done: make(chan struct{})}
	p.cmd.Env = append([]string{}, env...) // with nil it would get the environment of relabel
	p.cmd.Stdout, p.cmd.Stderr = write, &p.stderr
	p.cmd.Cancel = func() error { return killGroup(p.cmd.Process) }
	p.cmd.WaitDelay = processWait
	ownGroup(p.cmd)
	if err := p.cmd.Start(); err != nil {
		_ = read.Close() // nothing was written to it
		return nil, startError(err)
	}
	go p.wait(ctx)
	return p, nil
}

func startError(err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such program: check its name, or give its whole path")
	case errors.Is(err, fs.ErrPermission):
		return errors.New("no permission to run it: check that it is a program")
	}
	return fmt.Errorf("error starting the command: %w", err)
}

func (p *process) wait(ctx context.Context) {
	defer close(p.done)
	defer p.out.SetReadDeadline(time.Now()) //nolint:errcheck // see read
	err := p.cmd.Wait()
	_ = killGroup(p.cmd.Process) // what it left behind, which would keep the pipe open
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
	case ctx.Err() != nil:
		p.err = ctx.Err()
	case p.silent.Load():
		p.err = fmt.Errorf("the command wrote nothing for %s and was ended%s", p.idle, p.stderr.quoted())
	default:
		p.err = fmt.Errorf("the command failed (%s)%s", p.cmd.ProcessState, p.stderr.quoted())
	}
}

// Read implements io.Reader.
func (p *process) Read(b []byte) (int, error) {
	timer := time.AfterFunc(p.idle, func() {
		p.silent.Store(true)
		_ = killGroup(p.cmd.Process) // it may have ended
	})
	defer timer.Stop()
	n, err := p.read(b)
	if err == nil {
		return n, nil
	}
	<-p.done
	if p.err != nil {
		return n, p.err
	}
	return n, err
}

// read ends when the pipe is closed, or the command has ended and its pipe stays empty: a daemon that it left behind may hold
// the pipe for ever. The command's end sets a deadline, which wakes a read that waits. Then each read has a new one, as a
// deadline in the past hides what is still in the pipe. On Windows pipes have no deadline, and a daemon holds up the load.
func (p *process) read(b []byte) (int, error) {
	n, err := p.out.Read(b)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if err = p.ctxErr(); err != nil { // a daemon may write for ever, too
		return 0, err
	}
	if err = p.out.SetReadDeadline(time.Now().Add(processWait)); err != nil {
		return 0, err
	}
	if n, err = p.out.Read(b); errors.Is(err, os.ErrDeadlineExceeded) {
		return n, io.EOF
	}
	return n, err
}

// failure returns why the command failed, if it has done so or does it soon.
func (p *process) failure(grace time.Duration) error {
	go io.Copy(io.Discard, p.out) //nolint:errcheck // a full pipe would keep it from ending; stop ends this
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return p.err
	case <-timer.C:
		return nil
	}
}

// stop kills the command and waits for its end.
func (p *process) stop() {
	select {
	case <-p.done:
	default:
		_ = killGroup(p.cmd.Process) // it may have ended
	}
	_ = p.out.Close() // was only read
	<-p.done
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - stderrKept; over > 0 {
		t.text = bytes.Clone(t.text[over:])
	}
	return len(b), nil
}

// quoted returns the last lines, on one line and fit for a terminal, after a colon; or nothing.
func (t *tail) quoted() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(string(t.text), func(r rune) bool { return r == '\n' || r == '\r' })
	var last []string
	for i := len(lines) - 1; i >= 0 && len(last) < stderrLines; i-- {
		if line := show.OneLine(lines[i]); line != "" {
			last = append([]string{line}, last...)
		}
	}
	if len(last) == 0 {
		return ""
	}
	return ": " + show.Escape(show.Cut(strings.Join(last, " / "), stderrShown), "")
}
