package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sourcegraph/conc"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
)

// A process is ready only with a database whose schema it can use; it is healthy with any
// database that answers.
func TestProbes(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	registry := New(Config{DB: d})
	requireProbes := func(healthy, ready int, text string) {
		t.Helper()
		handler := registry.handler() // a new one has kept no answer
		status, answer := probe(handler, "/healthz")
		require.Equal(t, healthy, status, answer)
		status, answer = probe(handler, "/readyz")
		require.Equal(t, ready, status, answer)
		require.Equal(t, text, answer)
	}
	move := func(by int) {
		t.Helper()
		_, err := d.Pool().Exec(t.Context(), `UPDATE schema_version SET version = version + $1`, by)
		require.NoError(t, err)
	}

	st, err := d.MigrationStatus(t.Context())
	require.NoError(t, err)
	latest := st.Latest

	requireProbes(http.StatusOK, http.StatusOK, "ok")
	move(-1)
	requireProbes(http.StatusOK, http.StatusServiceUnavailable,
		fmt.Sprintf("the database is at version %d of %d: run `relabel migrate up` first", latest-1, latest))
	move(2)
	requireProbes(http.StatusOK, http.StatusOK, "ok")
	d.Close()
	requireProbes(http.StatusServiceUnavailable, http.StatusServiceUnavailable, "the database does not answer")
}

// An answer serves all probes of the next seconds, also one that failed; then a dead database
// is noticed.
func TestProbesShareAnAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int64
		var down atomic.Bool
		handler := answer(func(context.Context) error {
			checks.Add(1)
			if down.Load() {
				return errors.New("no database")
			}
			return nil
		})
		all := func(want int) {
			t.Helper()
			var run conc.WaitGroup
			for range 20 {
				run.Go(func() {
					status, _ := probe(handler, "/healthz")
					assert.Equal(t, want, status)
				})
			}
			run.Wait()
		}
		all(http.StatusOK)
		down.Store(true)
		all(http.StatusOK)
		require.EqualValues(t, 1, checks.Load())
		for range 2 {
			time.Sleep(readEvery) //nolint:forbidigo // the bubble's clock
			all(http.StatusServiceUnavailable)
		}
		require.EqualValues(t, 3, checks.Load())
	})
}

// Who gives up waiting does not leave a failure to the others.
func TestProbeThatGivesUp(t *testing.T) {
	t.Parallel()
	handler := answer(func(ctx context.Context) error { return ctx.Err() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", nil))
	require.Equal(t, http.StatusOK, w.Code)
}

func probe(handler http.Handler, path string) (status int, text string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}
