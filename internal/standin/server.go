// Package standin is a stand-in for Webflow's Data API: Update Asset, Get Asset,
// List Assets, List Asset Folders and Get Site, with its error bodies, its rate limit, faults on demand,
// and a log of everything that arrived.
//
// It owns the picture of the API that relabel is tested against, and it is what
// "relabel demo" and "relabel run --rehearse" talk to. Its log is the witness of the
// tests: what arrived, in which order, what was applied.
package standin

import (
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Config is how a Server starts. Most of it can be changed while it runs.
type Config struct {
	Seed uint64           // of the rate limit's phase and of the chances
	Now  func() time.Time // default time.Now

	SiteID        string   // default SiteID
	Locales       []Locale // the first is the primary one; default Locales()
	Assets        int      // how many there are at the start, see AddAssets
	CreateUnknown bool     // an asset, site or locale that is not there is made, not refused

	Tokens []string // the valid ones; none: any

	Limit               int           // calls in a window, for each token; 0: no limit
	Window              time.Duration // default a minute
	RetryAfter          RetryAfterStyle
	RetryAfterOnSuccess bool // "Retry-After: 60" on a 200, as Webflow's published example has it

	Latency time.Duration // before a call takes effect
	Jitter  time.Duration // up to this much more
	Chances []Chance

	Normalise func(name string) string // what becomes of a display name; default: nothing
}

// RetryAfterStyle is the form of Retry-After on a 429 of the rate limit.
type RetryAfterStyle uint8

// The forms: Webflow sends seconds, an HTTP date is as proper.
const (
	RetryAfterSeconds RetryAfterStyle = iota
	RetryAfterDate
	RetryAfterNone
)

// Server is the stand-in. It is an http.Handler, and with Start a server of its own.
type Server struct {
	now                 func() time.Time
	retryAfter          RetryAfterStyle
	retryAfterOnSuccess bool
	createUnknown       bool
	normalise           func(string) string
	done                chan struct{} // closed by Close: ends what waits

	mu      sync.Mutex // guards all below
	rand    *rand.Rand
	state   state
	tokens  tokens
	limiter limiter
	faults  faults
	latency time.Duration
	jitter  time.Duration
	calls   []Call
	applied int
	waiters []waiter

	listener net.Listener
	server   *http.Server
	served   sync.WaitGroup
	closing  sync.Once
}

// New makes a Server that is a handler only.
func New(cfg Config) *Server {
	s := &Server{
		now: cfg.Now, retryAfter: cfg.RetryAfter, retryAfterOnSuccess: cfg.RetryAfterOnSuccess,
		createUnknown: cfg.CreateUnknown, normalise: cfg.Normalise,
		done: make(chan struct{}),
		rand: rand.New(rand.NewPCG(cfg.Seed, 0)),
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.state = newState(cfg)
	s.tokens = newTokens(cfg.Tokens)
	s.limiter = limiter{phase: s.rand.Float64(), used: map[string]bucket{}}
	s.SetLimit(cfg.Limit, cfg.Window)
	s.SetLatency(cfg.Latency, cfg.Jitter)
	s.SetChances(cfg.Chances...)
	s.AddAssets(cfg.Assets)
	return s
}

// SetLimit changes the rate limit. Calls of the running window stay counted.
func (s *Server) SetLimit(limit int, window time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if window <= 0 {
		window = time.Minute
	}
	s.limiter.limit, s.limiter.window = limit, window
}

// Spend counts n calls of somebody else who uses the same token. They are not in the log.
func (s *Server) Spend(token string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.limiter.take(fingerprint(token), s.now())
	}
}

// SetToken makes a token valid, invalid (401) or forbidden (403) from the next call on.
func (s *Server) SetToken(token string, t TokenState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens.states[fingerprint(token)] = t
}

// SetLatency changes how long calls take.
func (s *Server) SetLatency(latency, jitter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency, s.jitter = latency, jitter
}
