package metrics

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
)

// A process is ready only with a database whose schema it can use; it is healthy with any
// database that answers.
func TestProbes(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	handler := New(Config{DB: d}).handler()
	requireProbes := func(healthy, ready int, text string) {
		t.Helper()
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

func probe(handler http.Handler, path string) (status int, text string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, strings.TrimSpace(w.Body.String())
}
