//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// Stop stops the server when no command uses it, and is content when none runs. It is for the server that killed
// commands left behind.
func Stop(ctx context.Context, cfg Config) error {
	l, err := resolve(cfg.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	in := &instance{layout: l, cfg: cfg, log: cfg.logger()}
	control, err := lockControl(ctx, l, in.log)
	if err != nil {
		return err
	}
	return errors.Join(in.stopUnused(ctx), control.Unlock())
}

func (in *instance) stopUnused(ctx context.Context) error {
	free, err := unused(in.layout)
	if err != nil {
		return err
	}
	if !free {
		return ErrInUse
	}
	majors, err := in.majors()
	if err != nil {
		return err
	}
	for _, major := range majors {
		if in.account, err = in.accountFor(major); err != nil {
			return err
		}
		if err := in.down(ctx, major); err != nil {
			return err
		}
	}
	return nil
}

// leave gives up our share of the server, and stops it when ours was the last. Without the control lock, because
// the context is over, the server is left to the next command.
func (in *instance) leave(ctx context.Context, clients *flock.Flock, major int) error {
	control, err := lockControl(ctx, in.layout, in.log)
	if err != nil {
		return errors.Join(err, clients.Unlock())
	}
	defer release(control)
	if err := clients.Unlock(); err != nil {
		return fmt.Errorf("error releasing lock: %w", err)
	}
	if free, err := unused(in.layout); err != nil || !free {
		return err
	}
	return in.down(ctx, major)
}

// down stops the server of a data folder and waits until it has let go of it. SIGINT is PostgreSQL's fast shutdown:
// open transactions are rolled back, and all is written out. The caller holds the control lock.
func (in *instance) down(ctx context.Context, major int) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	giveUp := time.NewTimer(heldPatience)
	defer giveUp.Stop()
	notice := time.NewTimer(slowNotice)
	defer notice.Stop()
	signalled := false
	for {
		p, ok := readPidFile(in.data(major))
		if !ok || !alive(p.pid) {
			in.tidySocketDir()
			return nil
		}
		// Only a process that answers as our server is sent a signal: after a crash the number may be another's.
		if !signalled && in.answers(ctx, major) {
			if err := syscall.Kill(p.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("error stopping the private PostgreSQL (process %d): %w", p.pid, err)
			}
			signalled = true
			giveUp.Stop()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no longer waiting for the private PostgreSQL (process %d) to stop: %w", p.pid, context.Cause(ctx))
		case <-giveUp.C:
			return fmt.Errorf("process %d holds %s and doesn't answer: see what it is with ps and end it if it is a postgres", p.pid, in.data(major))
		case <-notice.C:
			in.log.Info("the private PostgreSQL takes long to stop: it may have much to write", "log", in.layout.log(major))
		case <-poll.C:
		}
	}
}

// answers takes its own time: a context that is over must not keep the last one out from stopping the server.
func (in *instance) answers(ctx context.Context, major int) bool {
	_, h, _ := in.probe(context.WithoutCancel(ctx), major)
	return h == busy || h == ready
}

// tidySocketDir removes the stopped server's socket folder from /tmp. One inside the state folder stays.
func (in *instance) tidySocketDir() {
	if dir := socketDir(in.layout, in.account); filepath.Dir(dir) == "/tmp" {
		_ = syscall.Rmdir(dir) // not empty or not there: nothing to tidy
	}
}
