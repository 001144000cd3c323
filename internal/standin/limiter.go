package standin

import (
	"net/http"
	"strconv"
	"time"
)

// limiter counts calls in fixed windows, apart for each token, as Webflow's rate limit
// page has it ("available requests remaining in the current minute"). When a minute
// begins is not documented: at a random phase here.
type limiter struct {
	limit  int // 0: none
	window time.Duration
	phase  float64 // of a window, 0 to 1
	used   map[string]bucket
}

type bucket struct {
	window int64 // its number
	used   int
}

// take counts one call. left is how many more fit into this window, reset how long it lasts.
func (l *limiter) take(token string, now time.Time) (ok bool, left int, reset time.Duration) {
	width := l.window.Nanoseconds()
	since := now.UnixNano() - int64(l.phase*float64(width))
	number := since / width
	reset = time.Duration((number+1)*width - since)
	b := l.used[token]
	if b.window != number {
		b = bucket{window: number}
	}
	if b.used >= l.limit {
		return false, 0, reset
	}
	b.used++
	l.used[token] = b
	return true, l.limit - b.used, reset
}

// limit counts a call and sets the headers that every answer has. It reports whether
// the call is within the limit. The caller holds the lock.
func (s *Server) limit(h http.Header, token string, now time.Time) bool {
	if s.retryAfterOnSuccess {
		h.Set("Retry-After", "60")
	}
	if s.limiter.limit == 0 {
		return true
	}
	ok, left, reset := s.limiter.take(token, now)
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.limiter.limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
	if !ok {
		s.setRetryAfter(h, now, reset)
	}
	return ok
}

// setRetryAfter rounds up: both forms know whole seconds only.
func (s *Server) setRetryAfter(h http.Header, now time.Time, reset time.Duration) {
	h.Del("Retry-After")
	switch s.retryAfter {
	case RetryAfterSeconds:
		h.Set("Retry-After", strconv.FormatInt(int64((reset+time.Second-1)/time.Second), 10))
	case RetryAfterDate:
		at := now.Add(reset + time.Second - 1)
		h.Set("Date", now.UTC().Format(http.TimeFormat))
		h.Set("Retry-After", at.UTC().Format(http.TimeFormat))
	case RetryAfterNone:
	}
}
