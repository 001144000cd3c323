//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/gofrs/flock"
)

// newLock names a lock file. Go opens it close-on-exec, so no child process keeps the lock. It is opened for
// writing because NFS requires that for an exclusive lock.
func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
}

// release gives up a lock. It can fail on a broken file system only, and then the end of the process releases it.
func release(lock *flock.Flock) { _ = lock.Unlock() }

// lockControl takes the right to start or stop the server. flock could wait by itself, but not with a context.
func lockControl(ctx context.Context, l layout, log *slog.Logger) (*flock.Flock, error) {
	if err := mkdirAll(l.locks(), 0o700); err != nil {
		return nil, fmt.Errorf("error making lock folder: %w", err)
	}
	lock := newLock(l.control())
	waiting := "waiting for another relabel command that is starting or stopping the private PostgreSQL"
	w := wait{every: pollEvery, doing: waiting, notice: waiting, log: log, file: l.control()}
	err := w.until(ctx, func() (bool, error) {
		ok, err := lock.TryLock()
		if err != nil {
			err = fmt.Errorf("error taking lock: %w", err)
		}
		return ok, err
	})
	return lock, err
}

// shareClients counts us among the server's users. The caller holds the control lock. Only a holder of that lock takes
// the exclusive side of this one, so the share is free.
func shareClients(l layout) (*flock.Flock, error) {
	lock := newLock(l.clients())
	ok, err := lock.TryRLock()
	if err != nil {
		return nil, fmt.Errorf("error taking lock: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("lock %s is held by something other than relabel: end that process and try again", l.clients())
	}
	return lock, nil
}

// hasNoClients reports whether no command uses the server. The caller holds the control lock.
func hasNoClients(l layout) (bool, error) {
	lock := newLock(l.clients())
	ok, err := lock.TryLock()
	if err != nil {
		return false, fmt.Errorf("error taking lock: %w", err)
	}
	if !ok {
		return false, nil
	}
	return true, lock.Unlock()
}
