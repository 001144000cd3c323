package jobs_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/jobs"
)

// shortCall is a call's deadline where it is meant to pass: long enough for a
// good call on a busy machine, which follows.
const shortCall = 4 * time.Second

// fault is one row of the API's fault table: what an asset's calls meet, and
// what becomes of its rename. After its faults the API is well.
type fault struct {
	name   string
	faults []standin.Fault
	api    standin.Config

	status   string // at the end; empty: succeeded
	attempts []attempt
	failures int
	applied  int           // changes that the API made
	blocked  time.Duration // the lane is stopped for that long after the first call; up to 10 s less
	slack    time.Duration // the stand-in may notice as late as this that its client has gone
}

// attempt is what is recorded of one call.
type attempt struct {
	outcome string
	status  int
	code    string
	message string // a part of it
	anyHTTP bool   // what a reset leaves readable is the system's choice: any status, or none
}

// done is the last attempt of nearly all of them.
func done() attempt { return attempt{outcome: "succeeded", status: 200} }

// again are n times the same attempt, and then all is well.
func again(n int, a attempt) []attempt {
	var list []attempt
	for range n {
		list = append(list, a)
	}
	return append(list, done())
}

func one(f standin.Fault) []standin.Fault { return []standin.Fault{f} }

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// TestFaults sends one rename into each fault, all the way from its load to its
// end, and asks the stand-in what really happened there. The rows are sites of one
// database, worked by one pool: no site's trouble is another's.
func TestFaults(t *testing.T) {
	t.Parallel()

	rows := slices.Concat(rateLimitFaults(), statusFaults(), gatewayFaults(), brokenFaults(), answerFaults(), redirectFaults())
	runFaults(t, settings{concurrency: 2}, rows)
}

// TestSlowFaults are those in which a call's time is meant to run out.
func TestSlowFaults(t *testing.T) {
	t.Parallel()

	runFaults(t, settings{callTimeout: shortCall, concurrency: 2}, slowFaults())
}

func runFaults(t *testing.T, s settings, rows []fault) {
	b := setup(t, s)
	sites := make([]*testBundle, len(rows))
	configs := make([]jobs.SiteConfig, len(rows))
	for i, row := range rows {
		row.api.Assets = 2
		sites[i] = b.besides(t, fmt.Sprintf("site-%d", i), row.api)
		configs[i] = sites[i].siteConfig(t)
	}
	b.startWith(t, b.DB, configs...)
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.check(t, sites[i])
		})
	}
}

func rateLimitFaults() []fault {
	const code, message = "too_many_requests", "Too Many Requests"
	limited := attempt{outcome: "rate_limited", status: 429, code: code, message: message}
	row := func(name, retryAfter string, blocked time.Duration) fault {
		return fault{
			name: "429 " + name, faults: one(standin.RateLimited(retryAfter)),
			attempts: again(1, limited), applied: 1, blocked: blocked,
		}
	}
	const body = `{"code":"too_many_requests","message":"Too Many Requests"}`
	dated := func(date, retryAfter string) []standin.Fault {
		return one(standin.Answer(429, headers("Date", date, "Retry-After", retryAfter), body))
	}
	withDate := row("Retry-After as a date, of a server whose clock is off", "", 40*time.Second)
	withDate.faults = dated("Mon, 01 Jun 2026 12:00:00 GMT", "Mon, 01 Jun 2026 12:00:40 GMT")
	past := row("Retry-After as a date that has passed", "", time.Second)
	past.faults = dated("Mon, 01 Jun 2026 12:00:00 GMT", "Mon, 01 Jun 2026 11:00:00 GMT")
	remaining := row("with Remaining above 0", "", 30*time.Second)
	remaining.faults = one(standin.Answer(429,
		headers("X-RateLimit-Limit", "60", "X-RateLimit-Remaining", "17", "Retry-After", "30"), body))
	html := row("with HTML", "", 30*time.Second)
	html.faults = one(standin.Answer(429, headers("Content-Type", "text/html", "Retry-After", "30"), "<h1>Slow down</h1>"))
	html.attempts = again(1, attempt{outcome: "rate_limited", status: 429, message: "Slow down"})
	many := row("fifteen times: more than a row's failures may be", "1", time.Second)
	many.faults, many.attempts = standin.Repeat(15, standin.RateLimited("1")), again(15, limited)

	return []fault{
		row("without Retry-After", "", time.Minute),
		row("Retry-After in seconds", "20", 20*time.Second),
		row("Retry-After 0", "0", time.Second),
		row("Retry-After negative", "-5", time.Minute),
		row("Retry-After huge", "99999999999999999999", time.Hour),
		row("Retry-After that is neither", "in a while", time.Minute),
		withDate, past, remaining, html, many,
	}
}

func statusFaults() []fault {
	row := func(name string, status int, code, message string) fault {
		return fault{
			name: name, faults: one(standin.Status(status)), status: "failed", failures: 1,
			attempts: []attempt{{outcome: "failed", status: status, code: code, message: message}},
		}
	}
	retried := func(name string, status, n, failures int, end, code, message string) fault {
		f := row(name, status, code, message)
		f.faults = standin.Repeat(n, standin.Status(status))
		f.failures, f.status = failures, end
		f.attempts = again(n, attempt{outcome: "retry", status: status, code: code, message: message})
		if end == "failed" {
			f.attempts = f.attempts[:n]
			f.attempts[n-1].outcome = "failed"
		} else {
			f.applied = 1
		}
		return f
	}
	landed := retried("500 though the change was made", 500, 1, 1, "", "internal_error", "unexpected")
	landed.faults = one(standin.Status(500).AfterApply())
	landed.applied = 2
	return []fault{
		row("400", 400, "validation_error", "Validation Error"),
		row("404", 404, "resource_not_found", "Requested resource not found"),
		row("418", 418, "error", "teapot"),
		retried("409 once", 409, 1, 1, "", "conflict", "Conflict"),
		retried("409 four times", 409, 4, 4, "failed", "conflict", "Conflict"),
		retried("500 once", 500, 1, 1, "", "internal_error", "unexpected"),
		retried("500 nine times", 500, 9, 9, "", "internal_error", "unexpected"),
		retried("500 ten times", 500, 10, 10, "failed", "internal_error", "unexpected"),
		retried("408", 408, 2, 2, "", "error", "Request Timeout"),
		retried("425", 425, 2, 2, "", "error", "Too Early"),
		landed,
	}
}

func gatewayFaults() []fault {
	row := func(status int, message string) fault {
		return fault{
			name: message + " with HTML", faults: standin.Repeat(2, standin.Gateway(status, "")),
			attempts: again(2, attempt{outcome: "retry", status: status, message: message}), failures: 2, applied: 1,
		}
	}
	later := row(503, "503 Service Unavailable")
	later.name, later.faults = "503 with Retry-After", standin.Repeat(2, standin.Gateway(503, "3600"))
	return []fault{row(502, "502 Bad Gateway"), row(503, "503 Service Unavailable"), row(504, "504 Gateway Timeout"), later}
}

func brokenFaults() []fault {
	row := func(name string, f standin.Fault, message string, applied int) fault {
		return fault{
			name: name, faults: one(f), failures: 1, applied: applied,
			attempts: again(1, attempt{outcome: "retry", message: message, anyHTTP: true}),
		}
	}
	return []fault{
		row("reset before headers", standin.ResetBeforeHeaders(), "connection reset", 1),
		row("closed before headers", standin.CloseBeforeHeaders(), "closed without an answer", 1),
		row("reset before headers though the change was made", standin.ResetBeforeHeaders().AfterApply(), "", 2),
		row("reset in the body", standin.ResetInBody(), "", 2), // "reset" or "cut short", as the system likes
		row("closed in the body", standin.CloseInBody(), "cut short", 2),
	}
}

func slowFaults() []fault {
	row := func(name string, f standin.Fault, applied int) fault {
		return fault{
			name: name, faults: one(f), failures: 1, applied: applied, slack: 10 * time.Second,
			attempts: again(1, attempt{outcome: "retry", message: "no answer within the call's time", anyHTTP: true}),
		}
	}
	return []fault{
		row("slow headers", standin.SlowHeaders(time.Second), 2),
		row("one byte a second", standin.SlowBody(time.Second), 2),
		row("no answer at all", standin.Hang(), 1),
	}
}

func answerFaults() []fault {
	row := func(name string, f standin.Fault, status int, message string, applied int) fault {
		return fault{
			name: name, faults: standin.Repeat(2, f), failures: 2, applied: applied,
			attempts: again(2, attempt{outcome: "retry", status: status, message: message}),
		}
	}
	ok := func(body string) standin.Fault { return standin.Answer(200, nil, body) }
	asset := standin.AssetID(0)
	other := fault{
		name: "200 with another name", faults: one(standin.OtherName("normalised")),
		attempts: []attempt{done()}, applied: 1,
	}
	wrong := row("200 for another asset, twice", standin.OtherID(standin.AssetID(1)), 200, "about asset "+standin.AssetID(1), 3)
	wrongForEver := wrong
	wrongForEver.name, wrongForEver.status, wrongForEver.failures = "200 for another asset, thrice", "failed", 3
	wrongForEver.faults = standin.Repeat(3, wrong.faults[0])
	wrongForEver.attempts = append(append([]attempt{}, wrong.attempts[:2]...), wrong.attempts[0])
	wrongForEver.attempts[2].outcome = "failed"
	poison := fault{
		name: "200 with what PostgreSQL does not take", attempts: []attempt{done()},
		faults: one(ok(`{"id":"` + asset + `","displayName":"a\u0000\ud800b","lastUpdated":"0000-01-01T00:00:00+23:00"}`)),
	}
	return []fault{
		row("cut JSON", standin.CutJSON(), 200, "not the expected JSON", 3),
		row("200 with text", ok("all right"), 200, "not the expected JSON", 1),
		row("200 with HTML", standin.Answer(200, headers("Content-Type", "text/html"), "<html><h1>Welcome</h1></html>"), 200, "an HTML page, not JSON: Welcome", 1),
		row("200 with nothing", ok(""), 200, "the answer is empty", 1),
		row("200 with null", ok("null"), 200, "no id", 1),
		row("200 with []", ok("[]"), 200, "not the expected JSON", 1),
		row("200 without an id", ok(`{"displayName":"new"}`), 200, "no id", 1),
		row("200 without a name", ok(`{"id":"`+asset+`"}`), 200, "has no display name", 1),
		row("204", standin.Answer(204, nil, ""), 204, "the API answered 204, but only 200 means success", 1),
		row("202", standin.Answer(202, nil, "{}"), 202, "answered 202", 1),
		row("a body of 100 MB", standin.HugeBody(100), 200, "too large", 3),
		row("a gzip bomb", standin.GzipBomb(1000), 200, "too large", 3),
		wrong, wrongForEver, other, poison,
	}
}

// redirectFaults are pointed at hosts of their own in TestRedirectsNeverFollowed;
// here they stay at the API's own address, which is no better.
func redirectFaults() []fault {
	var rows []fault
	for _, status := range []int{301, 302, 303, 307, 308} {
		rows = append(rows, fault{
			name:   http.StatusText(status) + " to the API itself",
			faults: one(standin.Redirect(status, "/v2/assets/"+standin.AssetID(1))),
			status: "failed", failures: 1,
			attempts: []attempt{{outcome: "failed", status: status, message: "redirected to"}},
		})
	}
	return append(rows, fault{
		name: "304", faults: one(standin.Answer(304, nil, "")), status: "failed", failures: 1,
		attempts: []attempt{{outcome: "failed", status: 304, message: "redirected to nowhere"}},
	})
}

func (row fault) check(t *testing.T, b *testBundle) {
	b.api.FailAsset(standin.AssetID(0), row.faults...)
	began := value[time.Time](t, b, `SELECT clock_timestamp()`)
	batch := b.load(t, []want{{0, "new"}})
	row.checkLane(t, b)
	until(t, "the rename's end", func() bool {
		b.unblock(t)
		b.hurry(t)
		return b.status(t, batch).Status == "done"
	})

	r := b.only(t, batch)
	if row.status == "" {
		row.status = "succeeded"
	}
	require.Equal(t, row.status, r.Status, "error: %v", deref(r.Error))
	require.Equal(t, row.failures, r.Failures, "only real failures count")
	require.Equal(t, len(row.attempts), r.Calls)
	require.Len(t, b.api.Log(), len(row.attempts), "one call an attempt: nothing is sent twice by itself")
	row.checkAttempts(t, b, r, began)
	row.checkOracle(t, b, r)
	row.checkCounters(t, b, batch)
	b.requireGrantsSettled(t)
}

// checkLane looks whether the first answer has stopped the lane, and for how long.
func (row fault) checkLane(t *testing.T, b *testBundle) {
	if row.blocked == 0 {
		return
	}
	var blocked time.Duration
	until(t, "the lane's stop", func() bool {
		blocked = max(blocked, b.laneState(t).Blocked)
		return blocked > 0
	})
	require.LessOrEqual(t, blocked, row.blocked)
	require.Greater(t, blocked, row.blocked-10*time.Second)
}

// unblock ends a Retry-After; the pools look once a second.
func (b *testBundle) unblock(t *testing.T) {
	b.exec(t, `
		UPDATE lane SET blocked_until = NULL
		WHERE blocked_until IS NOT NULL AND fingerprint = (SELECT lane FROM site WHERE id = $1)`, b.site.ID)
}

func (row fault) checkAttempts(t *testing.T, b *testBundle, r renameRow, began time.Time) {
	list := b.attempts(t, r.ID)
	require.Len(t, list, len(row.attempts))
	for i, a := range list {
		want := row.attempts[i]
		require.Equal(t, want.outcome, a.Outcome, "attempt %d: %+v", i+1, a)
		require.Equal(t, want.code, a.Code)
		require.Contains(t, a.Message, want.message)
		require.Equal(t, want.outcome == "succeeded", a.Message == "", "whatever did not succeed says why")
		if !want.anyHTTP {
			require.Equal(t, want.status, a.HTTPStatus)
		}
		require.Positive(t, a.Duration)
		require.Less(t, a.Duration, b.callTimeout+5*time.Second)
		require.True(t, a.SentAt.After(began.Add(-time.Second)), "%s is before %s", a.SentAt, began)
		began = a.SentAt // in order
	}
	last := list[len(list)-1]
	require.Equal(t, last.HTTPStatus, deref(r.HTTPStatus))
	require.Equal(t, strings.TrimPrefix(last.Code+": "+last.Message, ": "), deref(r.Error))
}

// checkOracle compares with what the stand-in did.
func (row fault) checkOracle(t *testing.T, b *testBundle, r renameRow) {
	applied := 0
	for _, c := range b.api.Log() {
		require.Equal(t, http.MethodPatch, c.Method)
		if c.Applied {
			applied++
		}
	}
	require.Equal(t, row.applied, applied, "changes made")
	until(t, "no two calls at once", func() bool { return len(b.api.Overlaps(row.slack)) == 0 })
	if r.Status == "succeeded" && row.applied > 0 {
		require.Equal(t, b.name(0), deref(r.AppliedName))
	}
	if r.Status != "succeeded" {
		require.Nil(t, r.AppliedName)
	}
}

func (row fault) checkCounters(t *testing.T, b *testBundle, batch int64) {
	limited := 0
	for _, a := range row.attempts {
		if a.status == 429 {
			limited++
		}
	}
	s := b.status(t, batch)
	require.EqualValues(t, len(row.attempts), s.Calls)
	require.EqualValues(t, limited, s.RateLimited)
	require.Equal(t, row.status == "succeeded", s.Succeeded == 1)
	require.Equal(t, row.status == "failed", s.Failed == 1)
}

// requireGrantsSettled: a grant whose call is over counts for one window from
// its answer on, and not for as long as the call might have taken.
func (b *testBundle) requireGrantsSettled(t *testing.T) {
	require.Zero(t, value[int](t, b, `
		SELECT count(*)::int FROM site s JOIN lane l ON l.fingerprint = s.lane JOIN lane_grant g ON g.lane = l.fingerprint
		WHERE s.id = $1 AND g.expires_at > clock_timestamp() + l.call_window`, b.site.ID))
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// TestRedirectsNeverFollowed points redirects of every kind at another host, and
// has it listen.
func TestRedirectsNeverFollowed(t *testing.T) {
	t.Parallel()

	var visits atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	t.Cleanup(elsewhere.Close)
	b := setup(t, settings{api: standin.Config{Assets: 8}})
	codes := []int{300, 301, 302, 303, 305, 307, 308}
	for i, status := range codes {
		target := elsewhere.URL + "/assets/" + standin.AssetID(i) + "?token=" + testToken
		b.api.FailAsset(standin.AssetID(i), standin.Redirect(status, target))
	}
	b.start(t)
	batch := b.load(t, names("new", 0, len(codes)+1))
	b.untilDone(t, batch)
	for i, r := range b.renames(t, batch) {
		if i == len(codes) {
			require.Equal(t, "succeeded", r.Status, "the next row is not touched by it")
			continue
		}
		require.Equal(t, "failed", r.Status)
		require.Contains(t, *r.Error, "redirected to "+elsewhere.URL+"/assets/"+standin.AssetID(i)+"; redirects are never followed")
	}
	require.Zero(t, visits.Load(), "the token must arrive nowhere else")
	require.Len(t, b.api.Log(), len(codes)+1)
}

// TestNoConnection has an API that can't be reached: nothing is ever sent.
func TestNoConnection(t *testing.T) {
	t.Parallel()

	var visits atomic.Int32
	stranger := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	stranger.StartTLS()                                   // its certificate is signed by nobody
	t.Cleanup(stranger.Close)
	for _, row := range []struct{ name, url, message string }{
		{"connection refused", "http://127.0.0.1:1/v2", "connection refused"}, // nobody listens at port 1
		{"a certificate that does not verify", stranger.URL, "certificate"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, settings{baseURL: row.url})
			b.start(t)
			batch := b.load(t, []want{{0, "new"}})
			b.hurryUntilDone(t, batch)
			r := b.only(t, batch)
			require.Equal(t, "failed", r.Status)
			require.Contains(t, *r.Error, row.message)
			require.Equal(t, 10, r.Failures)
			require.False(t, r.Unknown, "nothing was sent, so nothing can land")
			list := b.attempts(t, r.ID)
			require.Len(t, list, 10)
			for _, a := range list {
				require.Zero(t, a.HTTPStatus)
				require.Equal(t, list[0].Message, a.Message, "the same words for the same cause")
			}
			b.requireGrantsSettled(t)
		})
	}
	require.Zero(t, visits.Load())
}
