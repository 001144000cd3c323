//go:build unix

package chaos

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
)

// machine is a program that loads rows by the API.
type machine struct {
	*stage
	secret, address string
}

var served = regexp.MustCompile(`the dashboard is at (http://\S+?);`)

// serve starts `relabel serve`, which the program then uses.
func (m *machine) serve(env ...string) *process {
	m.Helper()
	p := m.spawn("serve", env, "serve", "--listen", "127.0.0.1:0")
	m.eventually(recovery, "the dashboard is served", func() bool {
		found := served.FindStringSubmatch(p.out.String())
		if found == nil {
			return false
		}
		m.address = found[1]
		return true
	})
	return p
}

// load sends three rows, with more columns that are blank. The status is 0 if there is no answer.
func (m *machine) load(columns string) (status int, batch int64) {
	m.Helper()
	rows := "asset_id,display_name" + columns + "\n"
	for i := range 3 {
		rows += standin.AssetID(i) + ",new" + strings.Repeat(",", strings.Count(columns, ",")) + "\n"
	}
	r, err := http.NewRequestWithContext(m.Context(), http.MethodPost, m.address+"/api/v1/batches", strings.NewReader(rows))
	require.NoError(m, err)
	r.Header.Set("Content-Type", "text/csv")
	r.Header.Set("Authorization", "Bearer "+m.secret)
	r.Header.Set("Idempotency-Key", "monday")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, 0
	}
	defer res.Body.Close() //nolint:errcheck // was only read
	var answer struct{ Batch int64 }
	require.NoError(m, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer.Batch
}

// A server is killed before or after the COMMIT of a load. The client, which got no answer,
// sends the same again with the same key: there is one batch, and it is the answer, with its
// rows queued, also where the site is read between the COMMIT and the queueing.
func TestKilledServerKeepsKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		place, columns string
		want           int
	}{
		{"load-committing", "", http.StatusCreated},
		{"load-committed", "", http.StatusOK},
		{"load-committed", ",expected_name", http.StatusOK},
		{"applying", ",expected_name", http.StatusOK},
	} {
		t.Run(c.place+c.columns, func(t *testing.T) {
			t.Parallel()
			m := &machine{stage: newStage(t, 0, 0)}
			var err error
			m.secret, err = m.db.CreateToken(t.Context(), db.NewToken{Name: "n8n", Role: db.TokenWrite, Life: time.Hour})
			require.NoError(t, err)
			p := m.serve(failpoint(c.place))
			status, _ := m.load(c.columns)
			require.Zero(t, status)
			m.waitKilled(p)
			m.serve()
			status, batch := m.load(c.columns)
			require.Equal(t, c.want, status)
			require.Equal(t, 1, ask[int](m.stage, `SELECT count(*)::int FROM batch`))
			require.Equal(t, "active", ask[string](m.stage, `SELECT status::text FROM batch`))
			status, again := m.load(c.columns)
			require.Equal(t, http.StatusOK, status)
			require.Equal(t, batch, again)
			require.NotContains(t, p.output(), m.secret)
		})
	}
}
