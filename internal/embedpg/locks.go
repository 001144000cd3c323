//go:build unix

package embedpg

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a held lock is tried again. flock can wait by itself, but not with a context. 10 ms is well
// below what a start costs (200 ms) and costs one system call.
const lockPoll = 10 * time.Millisecond

// lockNotice is when a waiting command says why nothing happens: a start takes 0.3 s, the first one 2 s.
const lockNotice = 5 * time.Second

// newLock names a lock file. Go opens it close-on-exec, so no child holds the lock on after us. It is opened for
// writing because NFS wants that for an exclusive lock.
func newLock(path string) *flock.Flock {
	return flock.New(path, flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
}

// release lets go of a lock. Only a broken file system can fail it, and then the end of the process does it.
func release(lock *flock.Flock) { _ = lock.Unlock() }

// lockControl takes the right to start or stop the server. A context that is over already gets one try.
func lockControl(ctx context.Context, l layout, log *slog.Logger) (*flock.Flock, error) {
	if err := mkdirAll(l.locks(), 0o700); err != nil {
		return nil, fmt.Errorf("error making lock folder: %w", err)
	}
	lock := newLock(l.control())
	notice := time.NewTimer(lockNotice)
	defer notice.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		if ok, err := lock.TryLock(); err != nil {
			return nil, fmt.Errorf("error taking lock: %w", err)
		} else if ok {
			return lock, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("stopped waiting for another relabel command that is starting or stopping the private PostgreSQL: %w", context.Cause(ctx))
		case <-notice.C:
			log.Info("waiting for another relabel command that is starting or stopping the private PostgreSQL", "lock", l.control())
		case <-poll.C:
		}
	}
}

// shareClients counts us among the server's users. Only a holder of the control lock asks for the exclusive side,
// so whoever calls this under the control lock gets its share at once.
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

// unused reports whether no command uses the server. Only meaningful under the control lock.
func unused(l layout) (bool, error) {
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
