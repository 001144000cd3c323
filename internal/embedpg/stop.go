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

// Stop stops the server if no command uses it. It is for a server that killed commands left behind, and does nothing if
// none runs.
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
	free, err := hasNoClients(in.layout)
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
		if err := in.stop(ctx, major); err != nil {
			return err
		}
	}
	return nil
}

// leave gives up our share of the server, and stops the server if ours was the last. If the context ends before we
// have the control lock, the server is left to the next command.
func (in *instance) leave(ctx context.Context, clients *flock.Flock, major int) error {
	control, err := lockControl(ctx, in.layout, in.log)
	if err != nil {
		return errors.Join(err, clients.Unlock())
	}
	defer release(control)
	if err := clients.Unlock(); err != nil {
		return fmt.Errorf("error releasing lock: %w", err)
	}
	if free, err := hasNoClients(in.layout); err != nil || !free {
		return err
	}
	return in.stop(ctx, major)
}

// stop ends the server of a data folder and waits until its process is gone. SIGINT is PostgreSQL's fast shutdown:
// open transactions are rolled back, and everything is written. The caller holds the control lock.
func (in *instance) stop(ctx context.Context, major int) error {
	giveUp := time.Now().Add(heldTimeout)
	signalled := false
	p, _ := readPidFile(in.data(major))
	w := wait{
		every: pollEvery, doing: fmt.Sprintf("waiting for the private PostgreSQL (process %d) to stop", p.pid),
		log: in.log, file: in.layout.log(major),
		notice: "the private PostgreSQL takes long to stop: it may have much to write",
	}
	return w.until(ctx, func() (bool, error) {
		p, ok := readPidFile(in.data(major))
		if !ok || !alive(p.pid) {
			in.removeShortSocketDir()
			return true, nil
		}
		// Only a process that answers as our server gets a signal: after a crash, its number may be another process's.
		switch {
		case signalled:
			return false, nil
		case in.answers(ctx, major):
			signalled = true
			if err := in.account.interrupt(p.pid); err != nil && alive(p.pid) {
				return false, fmt.Errorf("error stopping the private PostgreSQL (process %d in %s): %w", p.pid, in.data(major), err)
			}
		case time.Now().After(giveUp):
			return false, fmt.Errorf("process %d holds %s and doesn't answer: see what it is with ps and end it if it is a postgres", p.pid, in.data(major))
		}
		return false, nil
	})
}

// answers ignores the end of the context: the last user must be able to stop the server even then.
func (in *instance) answers(ctx context.Context, major int) bool {
	_, h, _ := in.probe(context.WithoutCancel(ctx), major)
	return h == busy || h == ready
}

// removeShortSocketDir removes the stopped server's socket folder from /tmp. One inside the state folder stays.
func (in *instance) removeShortSocketDir() {
	if dir := socketDir(in.layout, in.account); filepath.Dir(dir) == "/tmp" {
		_ = syscall.Rmdir(dir) // it fails if there is none, or something else is in it
	}
}
