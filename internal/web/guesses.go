package web

import (
	"net/netip"
	"sync"
	"time"
)

const (
	freeGuesses   = 5                // of one address: people mistype
	freeForAll    = 50               // of all addresses together
	firstWait     = 2 * time.Second  // doubled by each further guess
	longestWait   = 5 * time.Minute  // of one address
	longestForAll = 10 * time.Second // a crowd must not lock the owner out
	guessesForgot = time.Hour
	maxGuessers   = 10_000 // addresses that are remembered
)

// guesses slows down who tries passwords: each address, and all together.
type guesses struct {
	now func() time.Time

	mu     sync.Mutex
	all    guesser
	byAddr map[string]*guesser
}

type guesser struct {
	wrong int
	last  time.Time
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, byAddr: map[string]*guesser{}}
}

// begin counts a guess before it is judged, so that many at once gain nothing.
// While somebody has to wait it says for how long, and the guess is not judged.
func (g *guesses) begin(from string) time.Duration {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	one := g.guesser(network(from), now)
	g.all.forget(now)
	wait := max(one.wait(now, freeGuesses, longestWait), g.all.wait(now, freeForAll, longestForAll))
	if wait > 0 {
		return wait
	}
	one.add(now)
	g.all.add(now)
	return 0
}

// right takes back what begin counted, and forgets the address's mistakes.
func (g *guesses) right(from string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.byAddr, network(from))
	g.all.wrong = max(g.all.wrong-1, 0)
}

func (g *guesses) guesser(addr string, now time.Time) *guesser {
	one := g.byAddr[addr]
	if one == nil {
		if len(g.byAddr) >= maxGuessers {
			clear(g.byAddr) // the limit for all still holds
		}
		one = &guesser{}
		g.byAddr[addr] = one
	}
	one.forget(now)
	return one
}

func (g *guesser) add(now time.Time) { g.wrong, g.last = g.wrong+1, now }

func (g *guesser) forget(now time.Time) {
	if now.Sub(g.last) > guessesForgot {
		g.wrong = 0
	}
}

func (g *guesser) wait(now time.Time, free int, longest time.Duration) time.Duration {
	return max(g.last.Add(backOff(g.wrong-free, longest)).Sub(now), 0)
}

// backOff is how long to wait after the n-th guess too many.
func backOff(n int, longest time.Duration) time.Duration {
	if n < 0 {
		return 0
	}
	if n > 16 { // far above the longest; more would overflow
		return longest
	}
	return min(firstWait<<n, longest)
}

// network is what one guesser may well have all of: an IPv6 /64.
func network(addr string) string {
	a, err := netip.ParseAddr(addr)
	if err != nil || a.Unmap().Is4() {
		return addr
	}
	p, err := a.Prefix(64)
	if err != nil {
		return addr
	}
	return p.String()
}
