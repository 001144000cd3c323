package webflow

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()

	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	absent := RetryAfter{}
	tests := []struct {
		in   string
		want RetryAfter
	}{
		{"60", RetryAfter{time.Minute, true}},
		{"0", RetryAfter{0, true}},
		{"007", RetryAfter{7 * time.Second, true}},
		{"3600", RetryAfter{time.Hour, true}},
		{"3601", RetryAfter{time.Hour, true}},
		{"99999999999999999999999", RetryAfter{time.Hour, true}},
		{"18446744073709551615", RetryAfter{time.Hour, true}},
		{"-5", absent},
		{"+5", absent},
		{"1.5", absent},
		{"1e3", absent},
		{"60 seconds", absent},
		{"60, 30", absent},
		{"", absent},
		{"soon", absent},
		{"٣", absent},
		{"Mon, 04 May 2026 12:00:30 GMT", RetryAfter{30 * time.Second, true}},
		{"Monday, 04-May-26 12:00:30 GMT", RetryAfter{30 * time.Second, true}},
		{"Mon May  4 12:00:30 2026", RetryAfter{30 * time.Second, true}},
		{"Mon, 04 May 2026 11:00:00 GMT", RetryAfter{0, true}},
		{"Mon, 04 May 2099 12:00:00 GMT", RetryAfter{time.Hour, true}},
		{"Mon, 04 May 2026 25:00:00 GMT", absent},
		{"2026-05-04T12:00:30Z", absent},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, parseRetryAfter(tt.in, now), "%q", tt.in)
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"60", "-1", "99999999999999999999", "Mon, 04 May 2026 12:00:30 GMT", "", "1.5"} {
		f.Add(s, int64(1777896000))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		r := parseRetryAfter(s, time.Unix(unix%(1<<40), 0))
		require.GreaterOrEqual(t, r.After, time.Duration(0))
		require.LessOrEqual(t, r.After, maxRetryAfter)
		if !r.Present {
			require.Zero(t, r.After)
		}
	})
}

func TestParseRateLimit(t *testing.T) {
	t.Parallel()

	tests := []struct {
		limit, remaining string
		want             RateLimit
	}{
		{"60", "59", RateLimit{60, 59, true, true}},
		{"60", "0", RateLimit{60, 0, true, true}},
		{"60", "-3", RateLimit{60, 0, true, true}},
		{"", "", RateLimit{}},
		{"120", "", RateLimit{120, 0, true, false}},
		{"", "7", RateLimit{0, 7, false, true}},
		{"0", "5", RateLimit{0, 5, false, true}},
		{"-1", "x", RateLimit{}},
		{"60, 60;w=60", "59", RateLimit{0, 59, false, true}},
		{"99999999999", "99999999999999999999", RateLimit{}},
		{"60.0", "1", RateLimit{0, 1, false, true}},
	}
	for _, tt := range tests {
		h := http.Header{}
		h.Set("X-RateLimit-Limit", tt.limit)
		h.Set("X-RateLimit-Remaining", tt.remaining)
		require.Equal(t, tt.want, parseRateLimit(h), "%q %q", tt.limit, tt.remaining)
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()

	want := map[int]Kind{
		400: KindBadRequest, 401: KindUnauthorized, 403: KindForbidden, 404: KindNotFound, 409: KindConflict,
		429: KindRateLimited, 408: KindUnavailable, 425: KindUnavailable,
	}
	for status := 100; status < 1000; status++ {
		kind, listed := want[status]
		switch {
		case listed:
		case status/100 == 2:
			kind = KindBadAnswer
		case status/100 == 3:
			kind = KindRedirected
		case status/100 == 5:
			kind = KindUnavailable
		default:
			kind = KindOtherStatus
		}
		require.Equal(t, kind, kindOf(status), status)
	}
	for k := KindInvalid; k <= KindWrongAsset; k++ {
		require.NotEqual(t, "no kind", k.String())
	}
	require.Equal(t, "no kind", Kind(0).String())
	require.Equal(t, "no kind", Kind(200).String())
}
