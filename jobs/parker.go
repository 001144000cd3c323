package jobs

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/failpoint"
)

// parkRetry is the pause between two tries to write a refusal: another transaction
// holds the site's row, or the database is away.
const parkRetry = 250 * time.Millisecond

// parker records that the API refused a site's token. One goroutine does it for all
// workers of the site, so that many refusals at once take one connection of the pool.
// Until the refusal is recorded the token makes no call in this process.
type parker struct {
	parkerConfig

	asked chan *parking // one slot: only one parking at a time

	mu      sync.Mutex
	pending *parking
}

type parkerConfig struct {
	db          *db.DB
	site        db.Site
	fingerprint string
	gate        *gate          // the site's
	gates       func() []*gate // of all sites with this token, this one included
	log         *slog.Logger
}

type parking struct {
	reason  string
	since   time.Time // of the call; the process may stand still before its refusal is written
	written chan struct{}
	closed  []*gate
}

func newParker(cfg parkerConfig) *parker {
	return &parker{parkerConfig: cfg, asked: make(chan *parking, 1)}
}

// park returns when the refusal of a call sent at that time is recorded. If ctx ends or
// the process stops first it may never be recorded; then the next call is refused too.
func (p *parker) park(ctx context.Context, reason string, sent time.Time) {
	select {
	case <-p.begin(reason, sent).written:
	case <-p.gate.stopping:
	case <-ctx.Done():
	}
}

// begin closes the gates and starts a parking, or returns the one under way.
func (p *parker) begin(reason string, sent time.Time) *parking {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pending == nil {
		p.pending = &parking{reason: reason, since: sent, written: make(chan struct{}), closed: p.gates()}
		for _, g := range p.pending.closed {
			g.close()
		}
		p.asked <- p.pending
	}
	return p.pending
}

// run records refusals until ctx ends.
func (p *parker) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			select {
			case one := <-p.asked:
				p.end(one)
			default:
			}
			return
		case one := <-p.asked:
			p.write(ctx, one)
			p.end(one) // also if this site is removed: others have the token too
		}
	}
}

// write repeats until the refusal is recorded or ctx ends.
func (p *parker) write(ctx context.Context, one *parking) {
	for told := false; ; told = true {
		failpoint.Hit("parking")
		trip, cancel := context.WithTimeout(ctx, answerTime)
		err := p.db.Park(trip, db.Refusal{SiteID: p.site.ID, Lane: p.fingerprint, Reason: one.reason, Ago: one.ago()})
		cancel()
		if err == nil {
			return
		}
		if !told && ctx.Err() == nil {
			p.log.Warn("the API refused the token: no more calls; the site is parked as soon as the database allows it", "site", p.site.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(parkRetry):
		}
	}
}

// ago uses both clocks and takes the longer time: the monotonic clock stops while a
// laptop sleeps, and the wall clock may be changed.
func (o *parking) ago() time.Duration {
	now := time.Now()
	return max(now.Sub(o.since), now.Round(0).Sub(o.since.Round(0)))
}

func (p *parker) end(one *parking) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pending = nil
	for _, g := range one.closed {
		g.open()
	}
	close(one.written)
}
