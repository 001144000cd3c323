package web

import (
	"net/netip"
	"sync"
	"time"
)

const (
	freeGuesses       = 5                // per address: people mistype
	freeGuessesAll    = 50               // of all addresses together
	firstWait         = 2 * time.Second  // doubled by each further wrong guess
	longestWait       = 5 * time.Minute  // per address
	longestWaitAll    = 10 * time.Second // for everybody: a crowd must not lock the owner out
	guessesRemembered = time.Hour
	maxAddresses      = 10_000 // addresses whose wrong guesses are remembered
)

// loginLimiter slows down password guessing, by address and in total.
type loginLimiter struct {
	now func() time.Time

	mu     sync.Mutex
	all    wrongGuesses
	byAddr map[string]*wrongGuesses
}

type wrongGuesses struct {
	n    int
	last time.Time
}

func newLoginLimiter(now func() time.Time) *loginLimiter {
	return &loginLimiter{now: now, byAddr: map[string]*wrongGuesses{}}
}

// begin counts a guess as wrong before the password is compared, so that many
// guesses at once gain nothing. If it returns a wait, the guess must not be
// compared at all.
func (l *loginLimiter) begin(from string) time.Duration {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.guessesOf(network(from), now)
	l.all.forget(now)
	wait := max(one.wait(now, freeGuesses, longestWait), l.all.wait(now, freeGuessesAll, longestWaitAll))
	if wait > 0 {
		return wait
	}
	one.add(now)
	l.all.add(now)
	return 0
}

// succeed takes back what begin counted, and forgets the address's wrong guesses.
func (l *loginLimiter) succeed(from string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byAddr, network(from))
	l.all.n = max(l.all.n-1, 0)
}

func (l *loginLimiter) guessesOf(addr string, now time.Time) *wrongGuesses {
	one := l.byAddr[addr]
	if one == nil {
		if len(l.byAddr) >= maxAddresses {
			clear(l.byAddr) // the limit for all addresses still holds
		}
		one = &wrongGuesses{}
		l.byAddr[addr] = one
	}
	one.forget(now)
	return one
}

func (g *wrongGuesses) add(now time.Time) { g.n, g.last = g.n+1, now }

func (g *wrongGuesses) forget(now time.Time) {
	if now.Sub(g.last) > guessesRemembered {
		g.n = 0
	}
}

func (g *wrongGuesses) wait(now time.Time, free int, longest time.Duration) time.Duration {
	return max(g.last.Add(backOff(g.n-free, longest)).Sub(now), 0)
}

// backOff is the wait after n wrong guesses beyond the free ones.
func backOff(n int, longest time.Duration) time.Duration {
	if n < 0 {
		return 0
	}
	if n > 16 { // far above the longest wait; a larger shift would overflow
		return longest
	}
	return min(firstWait<<n, longest)
}

// network groups the addresses that one person may well own: an IPv6 /64.
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
