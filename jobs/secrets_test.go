package jobs_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/records"
	"relabel/internal/standin"
)

// TestSecrets has an API that says the token back in every way an answer has, and
// looks for it in all that relabel keeps, logs, reports and shows (setup looks
// through tables and log after this and every other test).
func TestSecrets(t *testing.T) {
	t.Parallel()

	const bearer = "Bearer " + testToken
	echo := headers("X-Echo", bearer, "X-Request-Id", testToken, "Set-Cookie", "token="+testToken, "Www-Authenticate", bearer)
	at := func(key, value string) http.Header {
		h := echo.Clone()
		h.Set(key, value)
		return h
	}
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return string(b)
	}
	split := testToken[:20] + "\x00" + testToken[20:] // whole once what can't be stored is gone
	long := strings.Repeat("x", 480) + testToken      // across the end of what is kept
	id := func(n int) string { return standin.AssetID(n) }
	answers := []standin.Fault{
		standin.Answer(400, echo, `{"code":`+quoted(testToken)+`,"message":`+quoted(bearer)+`,"details":[`+quoted(bearer)+`]}`),
		standin.Answer(400, echo, `{"code":"c","message":`+quoted(split[:9]+"\u200e"+split[9:])+`}`),
		standin.Answer(404, echo, `{"message":`+quoted(long)+`}`),
		standin.Answer(422, at("Content-Type", "text/html"), "<html><body>"+bearer+"</body></html>"),
		standin.Answer(502, at("Content-Type", "text/html"), "<h1>"+bearer+"</h1>"),
		standin.Answer(302, at("Location", "https://"+testToken+".example.com/"+testToken+"?token="+testToken), bearer),
		standin.Answer(429, at("Retry-After", testToken), `{"message":`+quoted(bearer)+`}`),
		standin.Answer(200, echo, bearer),
		standin.Answer(200, echo, "<html>"+bearer),
		standin.Answer(200, echo, `{"id":`+quoted(testToken)+`,"displayName":"n"}`),
		standin.Answer(200, echo, `{"id":`+quoted(id(10))+`,"displayName":`+quoted(bearer)+`,"lastUpdated":`+quoted(testToken)+`}`),
		standin.Answer(200, echo, `{"id":`+quoted(id(11))+`,"displayName":{"t":`+quoted(testToken)+`}}`),
		standin.Answer(200, echo, `{"id":`+quoted(id(12))+`,"displayName":`+quoted(split)+`}`),
		standin.Answer(200, at("X-Ratelimit-Limit", testToken), `{`),
		standin.ResetInBody(),
	}
	b := setup(t, settings{api: standin.Config{Assets: len(answers)}})
	for n, answer := range answers {
		b.api.FailAsset(id(n), answer)
	}
	pool := b.start(t)
	batch := b.load(t, names("new", 0, len(answers)))
	until(t, "the batch's end", func() bool {
		b.unblock(t)
		b.hurry(t)
		return b.status(t, batch).Status == "done"
	})
	b.requireUnseen(t, batch)
	require.Equal(t, "Bearer [redacted]", deref(b.renames(t, batch)[10].AppliedName))
	require.Equal(t, "[redacted]", deref(b.renames(t, batch)[12].AppliedName))

	// The reason of a parked site is the API's own text too.
	b.api.FailNext(standin.Answer(403, echo, `{"message":`+quoted(bearer)+`}`))
	parked := b.load(t, names("newer", 0, 1))
	until(t, "the site's parking", func() bool { return b.parkedReason(t) != "" })
	require.Contains(t, b.parkedReason(t), "Bearer [redacted]")
	b.requireUnseen(t, parked)
	stop(t, pool)
	require.NotContains(t, b.logs.String(), testToken)
	require.Positive(t, strings.Count(b.logs.String(), `"level":"DEBUG"`), "all is logged, debug messages too")
}

// requireUnseen looks at all that is shown of a batch, and at the process.
func (b *testBundle) requireUnseen(t testing.TB, batch int64) {
	t.Helper()
	var shown []any
	for r, err := range records.Results(t.Context(), b.DB, batch, nil) {
		require.NoError(t, err)
		shown = append(shown, r)
	}
	troubles, err := records.RowErrors(t.Context(), b.DB, records.RowFilter{Batch: batch}, 100)
	require.NoError(t, err)
	sites, err := b.Sites(t.Context())
	require.NoError(t, err)
	text, err := json.Marshal([]any{shown, troubles, sites, b.status(t, batch), b.laneState(t)})
	require.NoError(t, err)
	require.Contains(t, string(text), "[redacted]")
	require.NotContains(t, string(text), testToken)
	require.NotContains(t, string(text), testToken[:len(testToken)-8], "nor most of it")
	args, err := os.ReadFile("/proc/self/cmdline")
	if err == nil { // Linux has it
		require.NotContains(t, string(args), testToken)
	}
}
