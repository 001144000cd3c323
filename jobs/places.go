package jobs

import "context"

// fetchedPerCall is how many jobs a process holds for each call in flight of a fast
// site: a call then waits for a place, not for a fetch. Elsewhere they would only be kept
// from other processes, and one call at a time would no longer send the rows in their
// order.
const fetchedPerCall = 4

// Fast reports whether CPU time, and not a limit, decides how fast a site is worked with
// so many calls in flight.
func (s SiteConfig) Fast(calls int) bool {
	return s.Lane.Limit == 0 && calls > DefaultConcurrency
}

// workers is the number of River workers of a site with so many calls in flight.
func (s SiteConfig) workers(calls int) int {
	if s.Fast(calls) {
		return fetchedPerCall * calls
	}
	return calls
}

// places bounds the calls in flight of a site. A job waits for its place before the
// claim, which reads the truth: after a pause or a cancel none of those that wait is sent.
type places struct {
	taken    chan struct{}
	stopping <-chan struct{}
}

// enter waits for a place. It returns false if the process stops first, or ctx ends.
func (p places) enter(ctx context.Context) bool {
	select {
	case <-p.stopping:
		return false
	default:
	}
	select {
	case p.taken <- struct{}{}:
		return true
	case <-p.stopping:
		return false
	case <-ctx.Done():
		return false
	}
}

func (p places) leave() { <-p.taken }
