package webflow

import (
	"net/http"
	"strconv"
	"time"
)

// maxRetryAfter caps Retry-After. Webflow's rate limit page speaks of 60 seconds; an
// hour leaves room for maintenance and keeps a nonsensical value from stopping a lane
// for days.
const maxRetryAfter = time.Hour

// maxCount is beyond any rate limit; a larger number is rubbish and not a count.
const maxCount = 1_000_000_000

// Meta is the facts of one call, whatever came of it.
type Meta struct {
	Status     int           // HTTP status; 0: no answer
	SentAt     time.Time     // when the call began, by this machine's clock
	Duration   time.Duration // from SentAt until the body was read or the call given up
	RateLimit  RateLimit
	RetryAfter RetryAfter
}

// RateLimit is what the X-RateLimit headers said. Either may be missing.
type RateLimit struct {
	Limit        int // calls a minute; at least 1 when HasLimit
	Remaining    int // "available requests remaining in the current minute"; never negative
	HasLimit     bool
	HasRemaining bool
}

// RetryAfter is what a Retry-After header said, on 429 and 503 only: Webflow's
// published example shows one on a 200 too, where it means nothing.
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

// dateOf is the answer's own Date: a Retry-After that is a date was made with that
// clock, and ours may be minutes off.
func (c *Client) dateOf(resp *http.Response) time.Time {
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		return date
	}
	return c.now()
}

// parseRateLimit reads the two headers apart from each other. A limit below 1 would
// stop all work and a number with anything else beside it is not Webflow's: both
// count as absent. A negative remainder is an over-drawn one, so 0.
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

// parseRetryAfter reads seconds or an HTTP date seen from now.
//
// A negative number is outside the header's grammar and counts as absent, as all
// rubbish does: a caller then uses its own pause, where 0 would let it call at once.
// A date that has passed is proper and means 0; so does "0".
func parseRetryAfter(s string, now time.Time) RetryAfter {
	if isDigits(s) {
		seconds, err := strconv.ParseUint(s, 10, 64)
		if err != nil || seconds > uint64(maxRetryAfter/time.Second) {
			return RetryAfter{maxRetryAfter, true} // an error here can only be "out of range"
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
