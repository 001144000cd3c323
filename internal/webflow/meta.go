package webflow

import (
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter caps Retry-After. Webflow documents 60 seconds. An hour leaves room for
// maintenance, and keeps a wrong value from stopping a lane for days.
const maxRetryAfter = time.Hour

// maxCount is above any rate limit. A larger number is ignored.
const maxCount = 1_000_000_000

// Meta describes one call, successful or not.
type Meta struct {
	Status     int           // HTTP status; 0: no answer
	SentAt     time.Time     // when the call began, by this machine's clock
	Duration   time.Duration // from SentAt until the body was read or the call failed
	RateLimit  RateLimit
	RetryAfter RetryAfter
}

// RateLimit holds the X-RateLimit headers. Either may be missing.
type RateLimit struct {
	Limit        int // calls a minute; at least 1 when HasLimit
	Remaining    int // "available requests remaining in the current minute"; never negative
	HasLimit     bool
	HasRemaining bool
}

// RetryAfter holds the Retry-After header of a 429 or a 503. It is ignored elsewhere:
// Webflow's example shows one on a 200 too, where it means nothing.
type RetryAfter struct {
	After   time.Duration // 0 to 1 h
	Present bool
}

func (c *Client) readMeta(resp *http.Response, sentAt time.Time) Meta {
	m := Meta{Status: resp.StatusCode, SentAt: sentAt, RateLimit: parseRateLimit(resp.Header)}
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		m.RetryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), c.dateOf(resp))
	}
	return m
}

// dateOf returns the answer's Date header. A Retry-After date comes from the same
// clock, and our own clock may be minutes off.
func (c *Client) dateOf(resp *http.Response) time.Time {
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		return date
	}
	return c.now()
}

// parseRateLimit reads each of the two headers by itself. A limit below 1 would stop all
// work, so it counts as absent, and so does anything that is not a plain number. A
// negative remainder counts as 0.
func parseRateLimit(h http.Header) RateLimit {
	var r RateLimit
	if n, ok := parseCount(h.Get("X-Ratelimit-Limit")); ok && n >= 1 {
		r.Limit, r.HasLimit = n, true
	}
	if n, ok := parseCount(h.Get("X-Ratelimit-Remaining")); ok {
		r.Remaining, r.HasRemaining = max(n, 0), true
	}
	return r
}

func parseCount(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= maxCount
}

// parseRetryAfter reads seconds, or an HTTP date compared with now.
//
// Invalid values, such as negative numbers, count as absent. The caller then uses its
// own pause, while 0 would let it call at once. "0" and a past date are valid and mean 0.
func parseRetryAfter(s string, now time.Time) RetryAfter {
	if isDigits(s) {
		seconds, err := strconv.ParseUint(s, 10, 64)
		if err != nil || seconds > uint64(maxRetryAfter/time.Second) {
			return RetryAfter{maxRetryAfter, true} // the only possible error is "out of range"
		}
		return RetryAfter{time.Duration(seconds) * time.Second, true}
	}
	date, err := http.ParseTime(s)
	if err != nil {
		return RetryAfter{}
	}
	return RetryAfter{min(max(date.Sub(now), 0), maxRetryAfter), true}
}

func isDigits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}
