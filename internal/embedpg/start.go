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
	// heldPatience is how long a data folder may be held by a process that answers nothing. A server that a killed
	// command left starting opens its socket within a second, and one that is stopping goes on answering.
	heldPatience = 5 * time.Second
	// heldRetry is how often PostgreSQL is asked again whether the data folder is free: a try costs 30 ms.
	heldRetry = 250 * time.Millisecond
	// abortPatience is how long each way of ending an unfinished start may take before the next, rougher one.
	abortPatience = 5 * time.Second
	// slowNotice is when a long start or stop is explained: both take 0.2 s unless there is much to recover.
	slowNotice = 5 * time.Second
)

// start runs the server and waits until it takes connections. Where postmaster.pid speaks of another process,
// PostgreSQL is the judge: it is run, replaces the file if it is stale, and refuses if it isn't.
func (in *instance) start(ctx context.Context, bin binaries) (running, error) {
	giveUp := time.Now().Add(heldPatience)
	retry := time.NewTicker(heldRetry)
	defer retry.Stop()
	for {
		r, h, err := in.probe(ctx, bin.major)
		if err != nil || h == ready {
			return r, err
		}
		if h == busy { // an orphan that recovers or stops: it says so, and ends or gets ready by itself
			giveUp = time.Now().Add(heldPatience)
		} else if r, err = in.launch(ctx, bin); !isHeld(err) || time.Now().After(giveUp) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return running{}, fmt.Errorf("stopped while starting the private PostgreSQL: %w", context.Cause(ctx))
		case <-retry.C:
		}
	}
}

// child is a server process that we started. It outlives us when other commands use it; while we live, the
// goroutine in launch collects it, so that it never lingers as a zombie.
type child struct {
	cmd      *exec.Cmd
	done     chan struct{}
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
	args := serverArgs(in.data(bin.major), serverSettings(in.cfg, socket))
	// Not our context: the server may outlive this command.
	cmd := in.account.command(context.Background(), string(in.layout), filepath.Join(bin.dir, "postgres"), args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return running{}, fmt.Errorf("error running PostgreSQL %s as account %s: %w", bin.version, in.account.name, err)
	}
	c := &child{cmd: cmd, done: make(chan struct{}), logStart: logStart}
	go func() {
		_ = cmd.Wait() // why it ended stands in its log
		close(c.done)
	}()
	return in.await(ctx, bin.major, c)
}

// await waits until our child is ready, has ended, or is no longer wanted. Recovery after a power cut takes as long
// as it takes; only the context ends the wait for it.
func (in *instance) await(ctx context.Context, major int, c *child) (running, error) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	notice := time.NewTimer(slowNotice)
	defer notice.Stop()
	for {
		select {
		case <-c.done:
			return running{}, in.failure(major, c.logStart)
		case <-ctx.Done():
			c.abort()
			return running{}, fmt.Errorf("stopped while starting the private PostgreSQL: %w", context.Cause(ctx))
		case <-notice.C:
			in.log.Info("the private PostgreSQL takes long to start: it may be recovering from a crash", "log", in.layout.log(major))
		case <-poll.C:
			if p, ok := readPidFile(in.data(major)); ok && p.ready && p.pid == c.cmd.Process.Pid {
				return in.greet(ctx, major, c)
			}
		}
	}
}

// greet connects to our child, which says that it is ready, and ends it if that is in vain.
func (in *instance) greet(ctx context.Context, major int, c *child) (running, error) {
	r, h, err := in.probe(ctx, major)
	if err == nil && h != ready {
		err = cmp.Or(context.Cause(ctx), fmt.Errorf("private PostgreSQL %d started and can't be reached: %s (log: %s)", major, r.silence, in.layout.log(major)))
	}
	if err != nil {
		c.abort()
		return running{}, err
	}
	return r, nil
}

// abort ends an unfinished start: politely, then without the final checkpoint, which the next start makes good.
func (c *child) abort() {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		_ = c.cmd.Process.Signal(sig)
		select {
		case <-c.done:
			return
		case <-time.After(abortPatience):
		}
	}
}

// failure is why the server ended while starting. Messages are in English: LC_ALL is C.
func (in *instance) failure(major int, logStart int64) *startError {
	text := readLog(in.layout.log(major), logStart)
	held := strings.Contains(text, `lock file "postmaster.pid" already exists`) || strings.Contains(text, "pre-existing shared memory block")
	return &startError{held: held, text: fmt.Sprintf("private PostgreSQL %d did not start: %s (log: %s)", major, lastLines(text), in.layout.log(major))}
}

// startError is a server that ended while starting. When the data folder was held it may go well in a moment: its
// last server is not quite gone.
type startError struct {
	held bool
	text string
}

func (e *startError) Error() string { return e.text }

func isHeld(err error) bool {
	var start *startError
	return errors.As(err, &start) && start.held
}
