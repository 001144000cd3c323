//go:build unix

package embedpg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// heldTimeout is how long an unresponsive process may hold a data folder. A server whose start a killed command left
	// unfinished opens its socket within a second, and one that is stopping goes on answering.
	heldTimeout = 5 * time.Second
	// heldRetry is how often we try again whether the data folder is free: a try runs PostgreSQL and costs 30 ms.
	heldRetry = 250 * time.Millisecond
	// abortTimeout is how long each way of ending an unfinished start may take before the next, rougher one.
	abortTimeout = 5 * time.Second
)

// start runs the server and waits until it accepts connections. If postmaster.pid names another process, PostgreSQL
// decides: it replaces the file if it is stale, and refuses to start if it is not.
func (in *instance) start(ctx context.Context, bin binaries) (r running, err error) {
	giveUp := time.Now().Add(heldTimeout)
	w := wait{every: heldRetry, doing: "while starting the private PostgreSQL"}
	err = w.until(ctx, func() (bool, error) {
		var h health
		r, h, err = in.probe(ctx, bin.major)
		if err != nil || h == ready {
			return true, err
		}
		if h == busy { // it recovers or stops, and says so; it ends or becomes ready by itself
			giveUp = time.Now().Add(heldTimeout)
			return false, nil
		}
		r, err = in.launch(ctx, bin)
		if isHeld(err) && time.Now().Before(giveUp) {
			return false, nil
		}
		return true, err
	})
	return r, err
}

// child is a server process that we started. It outlives us while other commands use it. While we live, the
// goroutine in launch waits for it, so that it never becomes a zombie.
type child struct {
	cmd      *exec.Cmd
	ended    chan struct{}
	logStart int64
}

func (in *instance) launch(ctx context.Context, bin binaries) (running, error) {
	socket := socketDir(in.layout, in.account)
	if err := makeSocketDir(socket, in.account); err != nil {
		return running{}, err
	}
	logFile, logStart, err := openLog(in.layout.log(bin.major))
	if err != nil {
		return running{}, err
	}
	defer func() { _ = logFile.Close() }()
	args := serverArgs(in.data(bin.major), serverSettings(in.cfg.Settings, socket))
	// Not our context: the server may outlive this command.
	cmd := in.account.command(context.Background(), string(in.layout), filepath.Join(bin.dir, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return running{}, fmt.Errorf("error running PostgreSQL %s as account %s: %w", bin.version, in.account.name, err)
	}
	c := &child{cmd: cmd, ended: make(chan struct{}), logStart: logStart}
	go func() {
		_ = cmd.Wait() // the log says why it ended
		close(c.ended)
	}()
	r, err := in.awaitReady(ctx, bin.major, c)
	if err != nil {
		c.abort()
	}
	return r, err
}

// awaitReady waits until our child is ready or has ended. Recovery after a power cut takes as long as it takes; only
// the context ends the wait for it.
func (in *instance) awaitReady(ctx context.Context, major int, c *child) (r running, err error) {
	w := wait{
		every: pollEvery, doing: "while starting the private PostgreSQL", log: in.log, file: in.layout.log(major),
		notice: "the private PostgreSQL takes long to start: it may be recovering from a crash",
	}
	err = w.until(ctx, func() (bool, error) {
		select {
		case <-c.ended:
			return false, in.startFailure(major, c.logStart)
		default:
		}
		if p, ok := readPidFile(in.data(major)); !ok || !p.ready || p.pid != c.cmd.Process.Pid {
			return false, nil
		}
		r, err = in.handshake(ctx, major)
		return true, err
	})
	return r, err
}

// handshake connects to a server that has written that it is ready.
func (in *instance) handshake(ctx context.Context, major int) (running, error) {
	r, h, err := in.probe(ctx, major)
	if err == nil && h != ready {
		err = cmp.Or(context.Cause(ctx), fmt.Errorf("private PostgreSQL %d started and can't be reached: %s (log: %s)", major, r.reason, in.layout.log(major)))
	}
	return r, err
}

// abort ends an unfinished start: politely, then without the final checkpoint, which the next start makes good.
func (c *child) abort() {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = c.cmd.Process.Signal(sig)
		select {
		case <-c.ended:
			return
		case <-time.After(abortTimeout):
		}
	}
}

// startFailure is why the server ended while starting. Messages are in English: LC_ALL is C.
func (in *instance) startFailure(major int, logStart int64) *startError {
	text := readLog(in.layout.log(major), logStart)
	held := strings.Contains(text, `lock file "postmaster.pid" already exists`) || strings.Contains(text, "pre-existing shared memory block")
	return &startError{held: held, text: fmt.Sprintf("private PostgreSQL %d did not start: %s (log: %s)", major, lastLines(text), in.layout.log(major))}
}

// startError means that a server ended while starting. If it found the data folder held, another try may succeed in a
// moment: the previous server may be about to end.
type startError struct {
	held bool
	text string
}

func (e *startError) Error() string { return e.text }

func isHeld(err error) bool {
	var start *startError
	return errors.As(err, &start) && start.held
}
