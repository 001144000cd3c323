package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/failpoint"
)

// parkRetry is between two tries to write a refusal: the site's row is held by
// somebody, or the database is away.
const parkRetry = 250 * time.Millisecond

// parker writes that a site's token was refused: one goroutine for all its workers,
// however many had the same answer, so that they take one connection of the pool
// and not all. Until it is written the token makes no call in this process.
type parker struct {
	parkerConfig

	asked chan *parking // one slot: there is one at a time

	mu      sync.Mutex
	pending *parking
}

type parkerConfig struct {
	db          *db.DB
	site        db.Site
	fingerprint string
	gate        *gate   // the site's
	gates       []*gate // of all sites that are worked with the token, this one too
	log         *slog.Logger
}

type parking struct {
	reason  string
	since   time.Time // of the call; the process may stand still before its refusal is written
	written chan struct{}
}

func newParker(cfg parkerConfig) *parker {
	return &parker{parkerConfig: cfg, asked: make(chan *parking, 1)}
}

// park returns when the refusal of a call that was sent then is written. When ctx ends or the process stops before
// that, it may never be: then the next call is refused too.
func (p *parker) park(ctx context.Context, reason string, sent time.Time) {
	select {
	case <-p.begin(reason, sent).written:
	case <-p.gate.stopping:
	case <-ctx.Done():
	}
}

// begin closes the gates, unless a parking is under way: then it is that one.
func (p *parker) begin(reason string, sent time.Time) *parking {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = &parking{reason: reason, since: sent, written: make(chan struct{})}
		for _, g := range p.gates {
			g.close()
		}
		p.asked <- p.pending
	}
	return p.pending
}

// run writes what is asked for until ctx ends.
func (p *parker) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-p.asked:
			if !p.write(ctx, one) {
				return
			}
			p.end(one)
		}
	}
}

// write tries until it is written or ctx ends: without it, calls would go on being
// refused.
func (p *parker) write(ctx context.Context, one *parking) bool {
	for told := false; ; told = true {
		failpoint.Hit("parking")
		trip, cancel := context.WithTimeout(ctx, answerTime)
		err := p.db.Park(trip, db.Refusal{SiteID: p.site.ID, Lane: p.fingerprint, Reason: one.reason, Ago: one.ago()})
		cancel()
		if err == nil {
			return true
		}
		if !told && ctx.Err() == nil {
			p.log.Warn("a refused token makes no calls; the site is parked as soon as the database lets it", "site", p.site.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(parkRetry):
		}
	}
}

// ago goes by the clock that says more: one stands still while a laptop sleeps, the
// other may be set.
func (o *parking) ago() time.Duration {
	now := time.Now()
	return max(now.Sub(o.since), now.Round(0).Sub(o.since.Round(0)))
}

func (p *parker) end(one *parking) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = nil
	for _, g := range p.gates {
		g.open()
	}
	close(one.written)
}
