package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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

// answer makes a check a handler. Probes need no login, so they get no error of the
// database, which may name hosts and accounts.
func answer(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTime)
		defer cancel()
		err := check(ctx)
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
