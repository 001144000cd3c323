package standin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Call is one request that arrived. The token is in it as its fingerprint only.
type Call struct {
	Number        int // in order of arrival, from 1
	ArrivedAt     time.Time
	AnsweredAt    time.Time // when the answer began, or the client was gone; zero: still in flight
	Method        string
	Path          string
	AssetID       string
	LocaleInQuery string
	LocaleInBody  string
	DisplayName   *string // nil: not given
	AltText       *string
	Token         string
	Status        int    // as answered; 0: none was
	Fault         string // the name of the fault it met
	Applied       bool   // the change was made, whatever was answered
	AppliedOrder  int    // among all that were applied, from 1; 0: it was not
}

// LocaleID is the locale that was meant, wherever it was given.
func (c Call) LocaleID() string {
	if c.LocaleInBody != "" {
		return c.LocaleInBody
	}
	return c.LocaleInQuery
}

// Target is asset and locale: what only one call at a time may change.
func (c Call) Target() string { return c.AssetID + "/" + c.LocaleID() }

type waiter struct {
	calls int
	ready chan struct{}
}

// arrived writes down a request before anything else is done with it, so that the log
// is in order of arrival and its times never go back. The caller holds the lock.
func (s *Server) arrived(r *http.Request, q *request, now time.Time) int {
	s.calls = append(s.calls, Call{
		Number: len(s.calls) + 1, ArrivedAt: now,
		Method: r.Method, Path: r.URL.Path, AssetID: q.assetID(),
		LocaleInQuery: q.query.Get("localeId"), Token: fingerprint(bearer(r)),
	})
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		if len(s.calls) < w.calls {
			return false
		}
		close(w.ready)
		return true
	})
	return len(s.calls) - 1
}

// ended notes the end of a call once: at its answer or at its client's going.
func (s *Server) ended(i, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.calls[i]
	if c.AnsweredAt.IsZero() {
		c.AnsweredAt, c.Status = s.now(), status
	}
}

// Log is everything that arrived, in order of arrival. It is a copy.
func (s *Server) Log() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Calls is how many arrived.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// WaitCalls waits until n calls in all have arrived.
func (s *Server) WaitCalls(ctx context.Context, n int) error {
	s.mu.Lock()
	ready := make(chan struct{})
	if len(s.calls) >= n {
		close(ready)
	} else {
		s.waiters = append(s.waiters, waiter{n, ready})
	}
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("error waiting for %d calls, %d arrived: %w", n, s.Calls(), ctx.Err())
	}
}

// MaxInWindow is the most calls of one token that arrived within any stretch of time
// shorter than window, wherever it begins. No window of that length, of any phase, can
// have seen more.
func (s *Server) MaxInWindow(window time.Duration) int {
	most := 0
	arrivals := map[string][]time.Time{} // within the window that ends at the call looked at
	for _, c := range s.Log() {
		recent := append(arrivals[c.Token], c.ArrivedAt)
		for c.ArrivedAt.Sub(recent[0]) >= window {
			recent = recent[1:]
		}
		arrivals[c.Token] = recent
		most = max(most, len(recent))
	}
	return most
}

// Overlap is two changes of one target that were in flight at once.
type Overlap struct{ First, Second Call }

// Overlaps finds changes of one target that were in flight together for longer than
// slack. A client that gave a call up is noticed a moment later than it went; that
// moment is what slack is for, and without time-outs it may be 0.
func (s *Server) Overlaps(slack time.Duration) []Overlap {
	var found []Overlap
	last := map[string]Call{} // of each target, the call that ended last so far
	for _, c := range s.Log() {
		if c.Method != http.MethodPatch {
			continue
		}
		before, any := last[c.Target()]
		if any && endsAfter(before, c.ArrivedAt.Add(slack)) {
			found = append(found, Overlap{before, c})
		}
		if !any || !endsAfter(before, c.AnsweredAt) || c.AnsweredAt.IsZero() {
			last[c.Target()] = c
		}
	}
	return found
}

// endsAfter treats a call still in flight as one without an end.
func endsAfter(c Call, t time.Time) bool { return c.AnsweredAt.IsZero() || c.AnsweredAt.After(t) }
