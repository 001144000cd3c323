package web

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
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
		{"/batches/1/retry?error=100%&status=failed", nil, 422, "write % as %25"},
		{"/batches/1/retry?error=a;status=failed", nil, 422, "write % as %25, and ; as %3B"},
	} {
		r := m.request(http.MethodPost, api.Prefix+c.path, strings.NewReader(rows(1, "x")), "Content-Type", "text/csv", "Authorization", right)
		maps.Copy(r.Header, c.header)
		refused(t, m.do(r), c.status, c.detail)
	}
	require.Zero(t, dbtest.Value[int](t, b, `SELECT count(*)::int FROM batch`))
}

// A body that breaks off is the client's trouble, and not the database's.
func TestAPIBodyBreaksOff(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	m := b.machine(t, "n8n", db.TokenWrite, "")
	u, err := url.Parse(m.base)
	require.NoError(t, err)
	conn, err := net.Dial("tcp", u.Host)
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // only read from
	_, err = fmt.Fprintf(conn, "POST %s/batches HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\nContent-Length: 500\r\n\r\nasset_id,disp",
		api.Prefix, u.Host, m.secret)
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer resp.Body.Close() //nolint:errcheck // only read from
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, string(text))
	require.Contains(t, string(text), "the body broke off: send it again")
	require.NotContains(t, b.logs.String(), "database")
}
