package webflow_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// faultRow is one row of the fault table: what the API does, and what the client
// returns.
type faultRow struct {
	name  string
	fault standin.Fault
	api   standin.Config
	short bool // the call is meant to time out

	kind       webflow.Kind // 0: no error
	status     int
	code       string
	message    string // part of the message
	retryAfter webflow.RetryAfter
	applied    bool
	anyStatus  bool // 0 or status: the system decides what stays readable after a reset
}

const (
	june1      = "Mon, 01 Jun 2026 12:00:00 GMT"
	june1plus9 = "Mon, 01 Jun 2026 12:00:09 GMT"
	june2      = "Tue, 02 Jun 2026 12:00:00 GMT"
)

func seconds(n int) webflow.RetryAfter {
	return webflow.RetryAfter{After: time.Duration(n) * time.Second, Present: true}
}

func dated(date, retryAfter string) standin.Fault {
	return standin.Answer(429, http.Header{"Date": {date}, "Retry-After": {retryAfter}}, "")
}

func TestFaultTable(t *testing.T) {
	t.Parallel()

	for _, rows := range [][]faultRow{statusRows(), retryAfterRows(), brokenRows(), wrongAnswerRows()} {
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				row.check(t)
			})
		}
	}
}

func (row faultRow) check(t *testing.T) {
	cfg := webflow.Config{}
	if row.short {
		cfg.Timeout = 300 * time.Millisecond
	}
	b := setup(t, row.api, cfg)
	b.api.FailNext(row.fault)
	res, err := b.rename(t, "new name")
	meta := res.Meta
	if row.kind == 0 {
		require.NoError(t, err)
		require.Equal(t, b.asset, res.Asset.ID)
	} else {
		e := asError(t, err)
		meta = e.Meta
		require.Equal(t, row.kind, e.Kind, "%v", e)
		require.Equal(t, row.code, e.Code)
		require.Contains(t, e.Message, row.message)
		requirePrintable(t, e)
	}
	if !row.anyStatus || meta.Status != 0 {
		require.Equal(t, row.status, meta.Status)
	}
	require.Equal(t, row.retryAfter, meta.RetryAfter)
	require.False(t, meta.SentAt.IsZero())
	require.Positive(t, meta.Duration)
	calls := b.api.Log()
	require.Len(t, calls, 1, "a call is sent once, whatever happens")
	require.Equal(t, row.applied, calls[0].Applied)
}

func requirePrintable(t *testing.T, e *webflow.Error) {
	t.Helper()
	require.NotEmpty(t, e.Message)
	require.LessOrEqual(t, len(e.Message), 500)
	require.Equal(t, -1, strings.IndexFunc(e.Error(), unicode.IsControl))
	require.NotContains(t, e.Error(), testToken)
}

func statusRows() []faultRow {
	page := func(status int) string { return http.StatusText(status) }
	return []faultRow{
		{name: "400", fault: standin.Status(400), kind: webflow.KindBadRequest, status: 400, code: "validation_error", message: "Validation Error"},
		{
			name: "400 with details", kind: webflow.KindBadRequest, status: 400, code: "bad", message: "m: too long; displayName: no",
			fault: standin.Answer(400, nil, `{"code":"bad","message":"m","details":["too long",{"param":"displayName","description":"no"}]}`),
		},
		{name: "401", fault: standin.Status(401), kind: webflow.KindUnauthorized, status: 401, code: "not_authorized", message: "not authorized"},
		{name: "403", fault: standin.Status(403), kind: webflow.KindForbidden, status: 403, code: "missing_scopes", message: "assets:write"},
		{name: "404", fault: standin.Status(404), kind: webflow.KindNotFound, status: 404, code: "resource_not_found", message: "not found"},
		{name: "405", fault: standin.Answer(405, nil, ""), kind: webflow.KindOtherStatus, status: 405, message: page(405)},
		{name: "408", fault: standin.Answer(408, nil, ""), kind: webflow.KindUnavailable, status: 408, message: page(408)},
		{name: "409", fault: standin.Status(409), kind: webflow.KindConflict, status: 409, code: "conflict", message: "Conflict"},
		{name: "418", fault: standin.Answer(418, nil, "short and stout"), kind: webflow.KindOtherStatus, status: 418, message: "short and stout"},
		{name: "425", fault: standin.Answer(425, nil, ""), kind: webflow.KindUnavailable, status: 425, message: page(425)},
		{name: "500", fault: standin.Status(500), kind: webflow.KindUnavailable, status: 500, code: "internal_error", message: "unexpected"},
		{name: "500 after the change", fault: standin.Status(500).AfterApply(), kind: webflow.KindUnavailable, status: 500, code: "internal_error", applied: true},
		{name: "502 page", fault: standin.Gateway(502, ""), kind: webflow.KindUnavailable, status: 502, message: "502 Bad Gateway"},
		{name: "503 page", fault: standin.Gateway(503, ""), kind: webflow.KindUnavailable, status: 503, message: "503 Service Unavailable"},
		{name: "503 with Retry-After", fault: standin.Gateway(503, "7"), kind: webflow.KindUnavailable, status: 503, message: "503", retryAfter: seconds(7)},
		{name: "504 page", fault: standin.Gateway(504, ""), kind: webflow.KindUnavailable, status: 504, message: "504 Gateway Timeout"},
		{name: "500 with Retry-After, which means nothing", fault: standin.Gateway(500, "7"), kind: webflow.KindUnavailable, status: 500},
		{name: "599", fault: standin.Answer(599, nil, ""), kind: webflow.KindUnavailable, status: 599, message: "599"},
		{name: "499", fault: standin.Answer(499, nil, ""), kind: webflow.KindOtherStatus, status: 499, message: "499"},
		{name: "error page of 2 MB", fault: standin.Answer(500, nil, strings.Repeat("x", 2<<20)), kind: webflow.KindUnavailable, status: 500, message: "xxx"},
		{name: "200 with Retry-After, which means nothing", api: standin.Config{RetryAfterOnSuccess: true}, status: 200, applied: true},
		{name: "200 with another display name", fault: standin.OtherName("Normalised"), status: 200, applied: true},
	}
}

func retryAfterRows() []faultRow {
	limited := func(retryAfter string) standin.Fault { return standin.RateLimited(retryAfter) }
	rows := []faultRow{
		{name: "429 without Retry-After", fault: limited("")},
		{name: "429 in seconds", fault: limited("60"), retryAfter: seconds(60)},
		{name: "429 at once", fault: limited("0"), retryAfter: seconds(0)},
		{name: "429 negative", fault: limited("-60")},
		{name: "429 huge", fault: limited("999999999999999999999"), retryAfter: seconds(3600)},
		{name: "429 rubbish", fault: limited("a while")},
		{name: "429 as a date", fault: dated(june1, june1plus9), retryAfter: seconds(9)},
		{name: "429 as a date that has passed", fault: dated(june1plus9, june1), retryAfter: seconds(0)},
		{name: "429 as a date far ahead", fault: dated(june1, june2), retryAfter: seconds(3600)},
		{name: "429 with calls remaining", fault: limited("5"), retryAfter: seconds(5), api: standin.Config{Limit: 60}},
	}
	for i := range rows {
		rows[i].kind, rows[i].status = webflow.KindRateLimited, 429
		if !strings.Contains(rows[i].name, "date") {
			rows[i].code, rows[i].message = "too_many_requests", "Too Many Requests"
		}
	}
	return rows
}

func brokenRows() []faultRow {
	const late = "no answer within the call's time"
	rows := []faultRow{
		{name: "reset before headers", fault: standin.ResetBeforeHeaders(), message: "reset"},
		{name: "reset before headers, after the change", fault: standin.ResetBeforeHeaders().AfterApply(), message: "reset", applied: true},
		{name: "closed before headers", fault: standin.CloseBeforeHeaders(), message: "closed without an answer"},
		{name: "reset in the body", fault: standin.ResetInBody(), status: 200, anyStatus: true, applied: true},
		{name: "closed in the body", fault: standin.CloseInBody(), status: 200, message: "cut short", applied: true},
		{name: "no answer", fault: standin.Hang(), short: true, message: late},
		{name: "no answer, after the change", fault: standin.Hang().AfterApply(), short: true, message: late, applied: true},
		{name: "slow headers", fault: standin.SlowHeaders(100 * time.Millisecond), short: true, message: late, applied: true},
		{name: "slow body", fault: standin.SlowBody(100 * time.Millisecond), short: true, status: 200, message: late, applied: true},
	}
	for i := range rows {
		rows[i].kind = webflow.KindUnknown
	}
	return rows
}

func wrongAnswerRows() []faultRow {
	body := func(s string) standin.Fault { return standin.Answer(200, nil, s).AfterApply() }
	id := standin.AssetID(0)
	page := `<html><head><title>Sign in to the hotel's network</title></head></html>`
	rows := []faultRow{
		{name: "cut JSON", fault: standin.CutJSON(), message: "unexpected end of JSON"},
		{name: "not JSON", fault: body("OK"), message: "not the expected JSON"},
		{name: "a page", fault: body(page), message: "not JSON: Sign in to the hotel's network"},
		{name: "empty", fault: body(""), message: "empty"},
		{name: "white space", fault: body(" \n"), message: "empty"},
		{name: "null", fault: body("null"), message: "no id"},
		{name: "an empty object", fault: body("{}"), message: "no id"},
		{name: "a list", fault: body("[]"), message: "not the expected JSON"},
		{name: "an asset without a display name", fault: body(`{"id":"` + id + `"}`), message: "display name"},
		{name: "a display name of null", fault: body(`{"id":"` + id + `","displayName":null}`), message: "display name"},
		{name: "a display name of another type", fault: body(`{"id":"` + id + `","displayName":5}`), message: "displayName is of type number"},
		{name: "two values", fault: body(`{"id":"` + id + `","displayName":"a"}{}`), message: "not the expected JSON"},
		{name: "100 MB", fault: standin.HugeBody(100), message: "too large"},
		{name: "gzip bomb", fault: standin.GzipBomb(1000), message: "too large"},
		{name: "too large by its Content-Length", fault: body(strings.Repeat(" ", 1<<20+1)), message: "too large"},
		{name: "not the gzip it says", fault: standin.Answer(200, http.Header{"Content-Encoding": {"gzip"}}, page).AfterApply(), message: "gzip"},
		{name: "another asset", fault: standin.OtherID(standin.AssetID(1)), kind: webflow.KindWrongAsset, message: standin.AssetID(1)},
		{name: "the id in upper case", fault: standin.OtherID(strings.ToUpper(id)), kind: webflow.KindWrongAsset},
		{name: "201", fault: standin.Answer(201, nil, `{"id":"`+id+`","displayName":"a"}`).AfterApply(), status: 201, message: "201"},
		{name: "204", fault: standin.Answer(204, nil, "").AfterApply(), status: 204, message: "204"},
	}
	for i := range rows {
		row := &rows[i]
		row.applied = true
		if row.kind == 0 {
			row.kind = webflow.KindBadAnswer
		}
		if row.status == 0 {
			row.status = 200
		}
	}
	return rows
}
