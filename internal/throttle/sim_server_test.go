package throttle

import (
	"slices"
	"sync"
	"time"
)

// simServer counts calls as the API does: in fixed windows that start at an unknown
// moment. It records when each of our calls arrived.
type simServer struct {
	start  time.Time
	window time.Duration
	phase  time.Duration

	mu       sync.Mutex
	limit    int
	number   int64 // of the window
	used     int
	accepted int         // calls of anybody
	arrivals []time.Time // of ours
	refused  int         // of ours
	heard    time.Time   // when an answer first told of the limit as it is now
}

type simAnswer struct {
	ok               bool
	limit, remaining int
	reset            time.Duration
}

func (s *simServer) call(ours bool) simAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	since := now.Sub(s.start) + s.phase
	if n := int64(since / s.window); n != s.number {
		s.number, s.used = n, 0
	}
	ok := s.used < s.limit
	if ok {
		s.used++
		s.accepted++
	}
	if ours {
		s.arrivals = append(s.arrivals, now)
		if !ok {
			s.refused++
		}
		if s.heard.IsZero() {
			s.heard = now
		}
	}
	return simAnswer{
		ok: ok, limit: s.limit, remaining: max(s.limit-s.used, 0),
		reset: s.window - since%s.window,
	}
}

func (s *simServer) setLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit, s.heard = n, time.Time{}
}

// most returns the largest number of our calls that arrived in any window of the
// limit's length since a moment.
func (s *simServer) most(since time.Time) (most int) {
	arrivals := slices.DeleteFunc(slices.Clone(s.arrivals), func(at time.Time) bool { return at.Before(since) })
	from := 0
	for i, at := range arrivals {
		for at.Sub(arrivals[from]) >= s.window {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}
