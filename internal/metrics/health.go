package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"relabel/db"
)

// healthTime bounds a check: a probe needs an answer before it gives up.
const healthTime = 5 * time.Second

// Healthz answers 200 while the database answers.
func Healthz(d *db.DB) http.HandlerFunc {
	return answer(func(ctx context.Context) error {
		_, err := d.Now(ctx)
		return err
	})
}

// Readyz answers 200 while the database answers and has what this relabel needs. A newer
// schema that has it is no reason to send people elsewhere.
func Readyz(d *db.DB) http.HandlerFunc {
	return answer(func(ctx context.Context) error {
		st, err := d.MigrationStatus(ctx)
		if err != nil {
			return err
		}
		if err := st.Check(); err != nil {
			return notReady{err}
		}
		return nil
	})
}

// notReady is a reason that a stranger may read.
type notReady struct{ error }

// kept is the last answer of a check: without a login anybody may ask as often as they like.
type kept struct {
	check func(context.Context) error

	mu  sync.Mutex // held while checking: other probes wait for the same answer
	err error
	at  time.Time
}

// fresh returns what was found at most readEvery ago. It takes no context of a request, whose
// end would be kept as a failure for the others.
func (k *kept) fresh() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.at) < readEvery {
		return k.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), healthTime)
	defer cancel()
	k.err = k.check(ctx)
	k.at = time.Now()
	return k.err
}

// answer makes a check a handler. Probes need no login, so they get no error of the
// database, which may name hosts and accounts.
func answer(check func(context.Context) error) http.HandlerFunc {
	k := &kept{check: check}
	return func(w http.ResponseWriter, _ *http.Request) {
		err := k.fresh()
		if reason, ok := errors.AsType[notReady](err); ok {
			http.Error(w, reason.Error(), http.StatusServiceUnavailable)
			return
		}
		if err != nil {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}
