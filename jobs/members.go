package jobs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// members is the sites that a process works, by River queue.
type members struct {
	mu    sync.RWMutex
	sites map[string]*siteRun
}

func newMembers() *members { return &members{sites: map[string]*siteRun{}} }

// of returns the site of a queue; nil if this process does not work it.
func (m *members) of(queue string) *siteRun {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.sites[queue]
}

func (m *members) all() []*siteRun {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Collect(maps.Values(m.sites))
}

func (m *members) add(s *siteRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sites[s.site.Queue()] = s
}

func (m *members) drop(s *siteRun) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sites, s.site.Queue())
}

// gates returns those of all sites with a token: its refusal stops them all.
func (m *members) gates(fingerprint string) (gates []*gate) {
	for _, s := range m.all() {
		if s.fingerprint == fingerprint {
			gates = append(gates, s.gate)
		}
	}
	return gates
}

// tokens returns the sites and their tokens, in the same order.
func (m *members) tokens() (sites []int, lanes []string) {
	all := m.all()
	slices.SortFunc(all, func(a, b *siteRun) int { return a.site.ID - b.site.ID })
	for _, s := range all {
		sites, lanes = append(sites, s.site.ID), append(lanes, s.fingerprint)
	}
	return sites, lanes
}

// leaveEvery is how often a removed site's queue is looked at: it is left when its calls in
// flight have ended.
const leaveEvery = 100 * time.Millisecond

var errNotRunning = errors.New("the workers have not started, or are stopping")

// Add begins to work a site beside the others. queues are those of other kinds, as in
// Config.Queues.
func (p *Pool) Add(ctx context.Context, cfg SiteConfig, queues map[string]int) error {
	p.changing.Lock()
	defer p.changing.Unlock()
	if p.run == nil {
		return errNotRunning
	}
	if err := p.cfg.DB.EnsureLane(ctx, cfg.Site.ID, cfg.Lane); err != nil {
		return err
	}
	s := p.newSiteRun(cfg)
	if lane := p.lanes[s.fingerprint]; lane.end == nil {
		p.startLane(p.run, lane)
	}
	s.start(p.run)
	p.worker.sites.add(s)
	err := p.beatOnce(ctx)
	if err == nil { // after the beat, as in Start
		err = p.cfg.DB.UnparkForToken(ctx, cfg.Site.ID, cfg.Lane.Fingerprint)
	}
	if err == nil {
		err = p.queues.include(ctx, queues)
	}
	if err == nil {
		err = p.queues.include(ctx, map[string]int{cfg.Site.Queue(): cfg.workers(p.cfg.Concurrency)})
	}
	if err != nil {
		p.end(context.WithoutCancel(ctx), s, slices.Collect(maps.Keys(queues)))
		return err
	}
	s.ended.Go(func() { s.feeder.run(s.running) })
	return nil
}

// Remove ends the work on a site: no new calls, and it waits for those in flight. queues are
// those that Add was given.
func (p *Pool) Remove(ctx context.Context, site string, queues []string) {
	p.changing.Lock()
	defer p.changing.Unlock()
	for _, s := range p.worker.sites.all() {
		if s.site.Name == site && p.run != nil {
			p.end(ctx, s, queues)
		}
	}
}

func (p *Pool) end(ctx context.Context, s *siteRun, queues []string) {
	s.gate.stop()
	s.remove()
	for _, queue := range append(queues, s.site.Queue()) {
		for p.queues.exclude(ctx, queue) != nil {
			select {
			case <-ctx.Done():
				return
			case <-time.After(leaveEvery):
			}
		}
	}
	s.end()
	s.ended.Wait()
	p.worker.sites.drop(s)
	lane := p.lanes[s.fingerprint]
	if lane.sites--; lane.sites == 0 {
		lane.Stop()
		lane.end()
		delete(p.lanes, s.fingerprint)
	}
	if err := p.beatOnce(ctx); err != nil {
		p.cfg.Logger.Warn("the heartbeat waits for the database", "error", err)
	}
}
