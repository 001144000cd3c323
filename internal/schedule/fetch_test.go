package schedule

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// A CSV is read from a URL at each run: bounded, whole, and only from where it
// may come.
func TestSourceFromURL(t *testing.T) {
	t.Parallel()
	row := fmt.Sprintf("%s,%s\n", standin.AssetID(1), wanted(1))
	csv := "asset_id,display_name\n" + row
	var answer http.HandlerFunc
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere.csv" {
			_, _ = io.WriteString(w, csv)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	b := setup(t, 3)
	url := server.URL + "/names.csv?key=secret"
	b.env[SourceAllowPrivate] = "1"
	b.add(func(s *scheduledb.Schedule) { s.CSV = &url })
	day := 0
	failsWith := func(says string, h http.HandlerFunc) {
		t.Helper()
		day++
		answer = h
		run := b.run(at2(day), "failed")
		require.Contains(t, *run.Error, says)
		require.NotContains(t, *run.Error, "secret")
	}
	failsWith("404", http.NotFound)
	failsWith("text/html", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<html>sign in</html>")
	})
	failsWith("more than 1 MiB", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "asset_id,display_name\n"+strings.Repeat(row, 30_000))
	})
	failsWith("broke off", func(w http.ResponseWriter, _ *http.Request) { // valid as far as it goes
		w.Header().Set("Content-Length", fmt.Sprint(2*len(csv)))
		_, _ = io.WriteString(w, csv)
	})
	failsWith("redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "ftp://example.com/names.csv", http.StatusFound)
	})
	failsWith("redirects", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/again.csv", http.StatusFound) })
	require.Zero(t, b.calls()["PATCH"])

	day++
	answer = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere.csv", http.StatusFound) }
	require.Equal(t, int64(1), b.run(at2(day), "done").Renamed)
	day++
	answer = func(w http.ResponseWriter, _ *http.Request) {
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, csv)
		_ = z.Close()
	}
	run := b.run(at2(day), "done")
	require.Equal(t, int64(1), run.LookedAt)
	st, err := records.Batch(t.Context(), b.DB, *run.Batch)
	require.NoError(t, err)
	require.Equal(t, server.URL+"/names.csv", st.Source)

	// Without leave no private address is reached, by http or by a redirect.
	delete(b.env, SourceAllowPrivate)
	failsWith("https://", answer)
	secure := strings.Replace(url, "http://", "https://", 1)
	b.exec(`UPDATE schedule SET csv = $1`, secure)
	failsWith("private network", answer)
}
