package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/webflow"
)

const (
	half  = 0.5
	never = 100 // failures: beyond what any row may have
)

// apiError is an error as the client makes it.
func apiError(kind webflow.Kind, status int) *webflow.Error {
	return &webflow.Error{Kind: kind, Meta: webflow.Meta{Status: status}, Code: "code", Message: "message"}
}

func withRetryAfter(e *webflow.Error, d time.Duration) *webflow.Error {
	e.Meta.RetryAfter = webflow.RetryAfter{After: d, Present: true}
	return e
}

func TestDecideKinds(t *testing.T) {
	t.Parallel()

	failed := outcome{Name: "failed", Status: "failed", Failure: true, Health: db.Well}
	ill := outcome{Name: "retry", Status: "pending", Delay: time.Second, Failure: true, Health: db.Ill}
	unknown := ill
	unknown.Unknown = true
	busy := outcome{Name: "retry", Status: "pending", Delay: time.Second, Failure: true, Health: db.Well}
	limited := outcome{Name: "rate_limited", Status: "pending", Health: db.Well, Block: time.Minute}
	refused := outcome{
		Name: "parked", Status: "pending", Health: db.Well,
		Park: "the API refused the token (401): message; set a working token of this site",
	}
	forbidden := refused
	forbidden.Park = "the token may not do this (403): message; give the token the scope assets:write"

	rows := []struct {
		kind   webflow.Kind
		status int
		want   outcome
		tries  int // how many failures in all a row may have of it; 0: it is no failure
	}{
		{webflow.KindInvalid, 0, failed, 1},
		{webflow.KindNotSent, 0, ill, 10},
		{webflow.KindUnknown, 0, unknown, 10},
		{webflow.KindUnknown, 200, unknown, 10},
		{webflow.KindBadRequest, 400, failed, 1},
		{webflow.KindUnauthorized, 401, refused, 0},
		{webflow.KindForbidden, 403, forbidden, 0},
		{webflow.KindNotFound, 404, failed, 1},
		{webflow.KindConflict, 409, busy, 4},
		{webflow.KindRateLimited, 429, limited, 0},
		{webflow.KindUnavailable, 500, unknown, 10},
		{webflow.KindUnavailable, 502, unknown, 10},
		{webflow.KindUnavailable, 503, unknown, 10},
		{webflow.KindUnavailable, 504, unknown, 10},
		{webflow.KindUnavailable, 408, unknown, 10},
		{webflow.KindUnavailable, 425, unknown, 10},
		{webflow.KindRedirected, 302, failed, 1},
		{webflow.KindOtherStatus, 418, failed, 1},
		{webflow.KindBadAnswer, 200, ill, 10},
		{webflow.KindBadAnswer, 204, ill, 10},
		{webflow.KindWrongAsset, 200, busy, 3},
		{webflow.KindWrongAsset + 1, 0, failed, 1}, // one that nobody has thought of
	}
	seen := map[webflow.Kind]bool{}
	for _, row := range rows {
		seen[row.kind] = true
		t.Run(fmt.Sprintf("%s %d", row.kind, row.status), func(t *testing.T) {
			t.Parallel()
			e := apiError(row.kind, row.status)
			require.Equal(t, row.want, decide(e, 0, half))
			require.Equal(t, row.want, decide(fmt.Errorf("wrapped: %w", e), 0, half), "found through a wrap")
			requireTries(t, e, row.want, row.tries)
		})
	}
	for k := webflow.KindInvalid; k.String() != "no kind"; k++ {
		require.True(t, seen[k], "%s is not in the table", k)
	}
}

// requireTries follows a rename that meets the same error again and again.
func requireTries(t *testing.T, e *webflow.Error, first outcome, tries int) {
	t.Helper()
	for failures := range maxFailures {
		got := decide(e, failures, half)
		switch {
		case tries == 0:
			require.Equal(t, first, got, "whatever went wrong before")
		case failures+1 >= tries:
			last := first
			last.Name, last.Status, last.Delay = "failed", "failed", 0
			require.Equal(t, last, got, "failure %d of %d", failures+1, tries)
		default:
			want := first
			want.Delay = backoff(failures, half)
			require.Equal(t, want, got, "failure %d of %d", failures+1, tries)
		}
	}
}

func TestDecideOtherwise(t *testing.T) {
	t.Parallel()

	require.Equal(t, outcome{Name: "succeeded", Status: "succeeded", Health: db.Well}, decide(nil, never, half))
	require.Equal(t, outcome{Name: "failed", Status: "failed", Failure: true}, decide(errors.New("what is this"), 0, half))
}

func TestDecideRetryAfter(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name         string
		err          *webflow.Error
		delay, block time.Duration
	}{
		{"429 without", apiError(webflow.KindRateLimited, 429), 0, time.Minute},
		{"429 at once", withRetryAfter(apiError(webflow.KindRateLimited, 429), 0), 0, time.Second},
		{"429 with 7 s", withRetryAfter(apiError(webflow.KindRateLimited, 429), 7*time.Second), 0, 7 * time.Second},
		{"429 with an hour", withRetryAfter(apiError(webflow.KindRateLimited, 429), time.Hour), 0, time.Hour},
		{"503 without", apiError(webflow.KindUnavailable, 503), time.Second, 0},
		{"503 sooner than the back-off", withRetryAfter(apiError(webflow.KindUnavailable, 503), time.Millisecond), time.Second, 0},
		{"503 later than the back-off", withRetryAfter(apiError(webflow.KindUnavailable, 503), time.Minute), time.Minute, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			o := decide(row.err, 0, half)
			require.Equal(t, db.RowPending, o.Status)
			require.Equal(t, row.delay, o.Delay)
			require.Equal(t, row.block, o.Block)
		})
	}
	last := decide(withRetryAfter(apiError(webflow.KindUnavailable, 503), time.Minute), 9, half)
	require.Equal(t, db.RowFailed, last.Status, "asking for time gives no tries")
}

// TestDecideStatuses asks for what an answer means by its status, all the way
// from a server: the table of docs/design.md.
func TestDecideStatuses(t *testing.T) {
	t.Parallel()

	want := map[int]db.Outcome{
		200: "retry", // without a body
		201: "retry", 202: "retry", 204: "retry", 206: "retry",
		301: "failed", 302: "failed", 303: "failed", 304: "failed", 307: "failed", 308: "failed",
		400: "failed", 401: "parked", 402: "failed", 403: "parked", 404: "failed", 405: "failed", 406: "failed",
		408: "retry", 409: "retry", 410: "failed", 413: "failed", 415: "failed", 422: "failed", 425: "retry",
		429: "rate_limited", 451: "failed", 499: "failed",
		500: "retry", 501: "retry", 502: "retry", 503: "retry", 504: "retry", 520: "retry", 599: "retry",
		600: "failed", 999: "failed",
	}
	client := answering(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/assets/%d", &status)
		w.WriteHeader(status)
	})
	for status, name := range want {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			_, err := client.UpdateAsset(t.Context(), renameTo(fmt.Sprintf("%024d", status), "name"))
			require.Error(t, err)
			require.Equal(t, name, decide(err, 0, half).Name, "%v", err)
		})
	}
}

func TestDecideStopped(t *testing.T) {
	t.Parallel()

	came, release := make(chan struct{}), make(chan struct{})
	client := answering(t, func(http.ResponseWriter, *http.Request) {
		close(came)
		<-release
	})
	t.Cleanup(func() { close(release) }) // before the server closes

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := client.UpdateAsset(ctx, renameTo(assetID, "name"))
	require.Equal(t, outcome{Name: "interrupted", Status: "pending"}, decide(err, 9, half), "nothing was sent")

	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		<-came
		cancel()
	}()
	_, err = client.UpdateAsset(ctx, renameTo(assetID, "name"))
	require.Equal(t, outcome{Name: "interrupted", Status: "pending", Unknown: true}, decide(err, 9, half), "it was sent")
}

func TestBackoff(t *testing.T) {
	t.Parallel()

	const almost = 1 - 1e-12
	for failures, limit := range []time.Duration{
		2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second,
		128 * time.Second, 256 * time.Second, 5 * time.Minute, 5 * time.Minute,
	} {
		require.Zero(t, backoff(failures, 0), "full jitter begins at nothing")
		require.Equal(t, limit/2, backoff(failures, half))
		require.InDelta(t, limit, backoff(failures, almost), float64(time.Millisecond))
		for range 1000 {
			got := backoff(failures, rand.Float64())
			require.GreaterOrEqual(t, got, time.Duration(0))
			require.Less(t, got, limit)
		}
	}
	require.Equal(t, 150*time.Second, backoff(never, half), "no overflow")
}

// TestBackoffInAll holds what docs/design.md says of the way to the tenth failure.
func TestBackoffInAll(t *testing.T) {
	t.Parallel()

	var most time.Duration
	for failures := range maxFailures - 1 {
		most += backoff(failures, 1)
	}
	require.Equal(t, 810*time.Second, most) // 13.5 min; 6.75 min on average
}

func TestProbed(t *testing.T) {
	t.Parallel()

	for _, row := range []struct {
		name string
		err  error
	}{
		{"success", nil},
		{"not found", apiError(webflow.KindNotFound, 404)},
		{"rate limited", apiError(webflow.KindRateLimited, 429)},
		{"parked", apiError(webflow.KindUnauthorized, 401)},
		{"conflict", apiError(webflow.KindConflict, 409)},
	} {
		o := decide(row.err, 3, half)
		require.Equal(t, o, o.probed(), "%s: the API gave an answer of its own", row.name)
	}
	for failures := range maxFailures {
		o := decide(apiError(webflow.KindUnavailable, 500), failures, half).probed()
		require.Equal(t, db.RowPending, o.Status)
		require.False(t, o.Failure)
		require.Zero(t, o.Delay)
		require.Equal(t, db.Ill, o.Health)
		require.Equal(t, failures < maxFailures-1, o.Name == "retry")
	}
}

func TestParkReasonWithoutMessage(t *testing.T) {
	t.Parallel()

	e := apiError(webflow.KindUnauthorized, 401)
	e.Message = ""
	require.Equal(t, "the API refused the token (401); set a working token of this site",
		parkReason(e))
}

func TestFinishOf(t *testing.T) {
	t.Parallel()

	claim := db.Claim{RenameID: 7, Fence: 3}
	meta := webflow.Meta{Status: 200, Duration: 250 * time.Millisecond}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("far", 20*3600)) // more than PostgreSQL's 15:59
	asset := webflow.Asset{DisplayName: "as applied", LastUpdated: webflow.Timestamp{Time: at}}

	f := finishOf(claim, asset, meta, nil, decide(nil, 0, half))
	require.Equal(t, db.Finish{
		RenameID: 7, Fence: 3, Status: "succeeded", Outcome: "succeeded", Called: true, Health: db.Well, Duration: 0.25,
		HTTPStatus: ptr(200), AppliedName: ptr("as applied"), LastUpdated: ptr(at.UTC()),
	}, f)

	e := apiError(webflow.KindUnavailable, 503)
	f = finishOf(claim, webflow.Asset{}, e.Meta, e, decide(e, 0, half))
	require.Equal(t, db.Finish{
		RenameID: 7, Fence: 3, Status: "pending", Outcome: "retry", Called: true, Health: db.Ill, Delay: 1, Failure: true,
		Unknown: true, HTTPStatus: ptr(503), Code: "code", Message: "message",
	}, f)

	e = &webflow.Error{Kind: webflow.KindNotFound, Meta: webflow.Meta{Status: 404}}
	require.Equal(t, "not found", finishOf(claim, webflow.Asset{}, e.Meta, e, decide(e, 0, half)).Message, "never without a reason")

	odd := finishOf(claim, webflow.Asset{}, webflow.Meta{}, errors.New("odd"), fail())
	require.Nil(t, odd.HTTPStatus)
	require.Equal(t, "odd", odd.Message)
}

// TestFinishOfPoison gives answers that PostgreSQL would refuse to store: a
// finish that can't be written would be sent again for ever.
func TestFinishOfPoison(t *testing.T) {
	t.Parallel()

	asset := webflow.Asset{DisplayName: "a\x00b" + strings.Repeat("é", maxAppliedName)}
	for _, year := range []string{"0000-01-01T00:00:00Z", "", "soon"} {
		require.NoError(t, json.Unmarshal([]byte(`"`+year+`"`), &asset.LastUpdated))
		f := finishOf(db.Claim{}, asset, webflow.Meta{Status: 200}, nil, decide(nil, 0, half))
		require.Nil(t, f.LastUpdated, year)
		require.True(t, strings.HasPrefix(*f.AppliedName, "abé"))
		require.LessOrEqual(t, len(*f.AppliedName), maxAppliedName)
		require.True(t, utf8.ValidString(*f.AppliedName))
	}
}

func TestCleanError(t *testing.T) {
	t.Parallel()

	require.NoError(t, cleanError(nil))
	for _, row := range []struct{ in, want string }{
		{"plain", "plain"},
		{"a\x00b\x00", "ab"},
		{"bad \xff\xfe end", "bad \uFFFD end"},
		{"\xc3\x00\xa9", "é"}, // what is left reads as one character: valid all the same
		{strings.Repeat("x", maxErrorText+1), strings.Repeat("x", maxErrorText)},
		{strings.Repeat("x", maxErrorText-1) + "é", strings.Repeat("x", maxErrorText-1)},
	} {
		require.EqualError(t, cleanError(errors.New(row.in)), row.want)
	}
}

const assetID = "65a000000000000000000001"

func ptr[T any](v T) *T { return &v }

func renameTo(asset, name string) webflow.UpdateAssetParams {
	return webflow.UpdateAssetParams{AssetID: asset, DisplayName: &name}
}

// answering is a client of an API that answers as h does.
func answering(t *testing.T, h http.HandlerFunc) *webflow.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		h(w, r)
	}))
	t.Cleanup(server.Close)
	token, err := webflow.NewToken("unit-test-token")
	require.NoError(t, err)
	client, err := webflow.NewClient(webflow.Config{BaseURL: server.URL, Token: token})
	require.NoError(t, err)
	return client
}
