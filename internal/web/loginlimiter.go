package web

import (
	"hash/maphash"
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
	maxGuessers       = 10_000 // of whom wrong guesses are remembered
)

// loginLimiter slows down password guessing, by guesser and in total. It counts for
// each role on its own: who knows one password may still guess at the other.
type loginLimiter struct {
	now  func() time.Time
	seed maphash.Seed // see nameGroup

	mu     sync.Mutex
	byRole map[Role]*roleGuesses
}

type roleGuesses struct {
	all wrongGuesses
	by  map[string]*wrongGuesses
}

type wrongGuesses struct {
	n    int
	last time.Time
}

// guesser is who tries to log in.
type guesser struct {
	address string
	device  device // the zero device: a browser that has not logged in before
}

// key returns what a guess at a role's password is counted by. A browser that has
// logged in with the role before is counted by itself, and need not wait because of
// others.
func (g guesser) key(r Role) (key string, known bool) {
	if g.device.role == r || g.device.role == RoleChange {
		return g.device.id, true
	}
	return network(g.address), false
}

func newLoginLimiter(now func() time.Time) *loginLimiter {
	return &loginLimiter{now: now, seed: maphash.MakeSeed(), byRole: map[Role]*roleGuesses{}}
}

// begin returns the roles whose password the guess may be compared with, and the
// longest wait of the others. It counts the guess as wrong before it is compared, so
// that many guesses at once gain nothing.
func (l *loginLimiter) begin(g guesser, roles ...Role) (may []Role, wait time.Duration) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range roles {
		key, known := g.key(r)
		role, one := l.guessesOf(r, key, now)
		w := one.wait(now, freeGuesses, longestWait)
		if !known {
			w = max(w, role.all.wait(now, freeGuessesAll, longestWaitAll))
		}
		if w > 0 {
			wait = max(wait, w)
			continue
		}
		may = append(may, r)
		one.add(now)
		if !known {
			role.all.add(now)
		}
	}
	return may, wait
}

// succeed takes back what begin counted, and forgets the wrong guesses at the
// passwords that the person need not guess any more.
func (l *loginLimiter) succeed(g guesser, may []Role, got Role) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range may {
		key, known := g.key(r)
		role, one := l.guessesOf(r, key, now)
		one.n = max(one.n-1, 0)
		if !known {
			role.all.n = max(role.all.n-1, 0)
		}
		if got == r || got == RoleChange {
			delete(role.by, key)
		}
	}
}

func (l *loginLimiter) guessesOf(r Role, key string, now time.Time) (*roleGuesses, *wrongGuesses) {
	role := l.byRole[r]
	if role == nil {
		role = &roleGuesses{by: map[string]*wrongGuesses{}}
		l.byRole[r] = role
	}
	one := role.by[key]
	if one == nil {
		if len(role.by) >= maxGuessers {
			clear(role.by) // the limit for all together still holds
		}
		one = &wrongGuesses{}
		role.by[key] = one
	}
	one.forget(now)
	role.all.forget(now)
	return role, one
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
