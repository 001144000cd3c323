package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/dbtest"
)

// What is wrong inside relabel is for its log. A caller without a token learns nothing of it.
func TestAPIFailsQuietly(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	dbtest.Exec(t, b, `ALTER TABLE api_token RENAME TO gone`)
	r := b.stranger(t).request(http.MethodGet, api.Prefix+"/batches", nil, "Authorization", "Bearer relabel_wrong")
	p := refused(t, b.stranger(t).do(r), http.StatusInternalServerError, "relabel failed: its log has the reason")
	require.NotContains(t, p.Detail, "api_token")
	require.Contains(t, b.logs.String(), "api_token")
}

// Of a request that says two things at once, no part is done.
func TestAPIAmbiguous(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	right, wrong := "Bearer "+m.secret, "Bearer relabel_wrong"
	for _, c := range []struct {
		path   string
		header http.Header
		status int
		detail string
	}{
		{"/batches", http.Header{"Authorization": {right, wrong}}, 401, "send one token"},
		{"/batches", http.Header{"Authorization": {wrong, right}}, 401, "send one token"},
		{"/batches", http.Header{"Idempotency-Key": {"a", "b"}}, 422, "Idempotency-Key is there more than once"},
		{"/batches", http.Header{"Idempotency-Key": {"a\xffb"}}, 422, "Idempotency-Key is not valid UTF-8"},
		{"/batches", http.Header{"Content-Encoding": {"br"}}, 415, "send the rows without it"},
		{"/batches", http.Header{"Content-Encoding": {"gzip"}, "Content-Type": {"application/json"}}, 415, "send the rows without it"},
		{"/batches/1/retry?status=failed&status=conflict", nil, 422, "the parameter status is there 2 times"},
	} {
		r := m.request(http.MethodPost, api.Prefix+c.path, strings.NewReader(rows(1, "x")), "Content-Type", "text/csv", "Authorization", right)
		for name, values := range c.header {
			r.Header[name] = values
		}
		refused(t, m.do(r), c.status, c.detail)
	}
	require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
}
