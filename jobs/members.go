package jobs

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"relabel/db"
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

// Add begins to work a site beside the others, and Remove ends it. Several sites may change
// at the same time, a site only one change after the other, and none once Stop is called.
// queues are those of other kinds, as in Config.Queues.
func (p *Pool) Add(ctx context.Context, cfg SiteConfig, queues map[string]int) error {
	if err := p.cfg.DB.EnsureLane(ctx, cfg.Site.ID, cfg.Lane); err != nil {
		return err
	}
	s, err := p.begin(cfg)
	if err != nil {
		return err
	}
	if err := p.enter(ctx, cfg, queues); err != nil {
		p.leave(context.WithoutCancel(ctx), s, slices.Collect(maps.Keys(queues)))
		return err
	}
	s.ended.Go(func() { s.feeder.run(s.running) })
	s.feeder.wakeIn(0)
	return nil
}

// begin starts the goroutines of a site, and of its lane if that is new.
func (p *Pool) begin(cfg SiteConfig) (*siteRun, error) {
	p.changing.Lock()
	defer p.changing.Unlock()
	if p.run == nil {
		return nil, errNotRunning
	}
	s := p.newSiteRun(cfg)
	if lane := p.lanes[s.fingerprint]; lane.end == nil {
		p.startLane(p.run, lane)
	}
	s.start(p.run)
	p.worker.sites.add(s)
	return s, nil
}

// enter records that this process works the site, and works its queues.
func (p *Pool) enter(ctx context.Context, cfg SiteConfig, queues map[string]int) error {
	if err := p.beatOnce(ctx); err != nil {
		return err
	}
	if err := p.cfg.DB.UnparkForTokens(ctx, []int{cfg.Site.ID}, []string{cfg.Lane.Fingerprint}); err != nil { // after the beat, as in Start
		return err
	}
	all := map[string]int{cfg.Site.Queue(): cfg.workers(p.cfg.Concurrency)}
	maps.Copy(all, queues)
	return p.queues.include(ctx, all)
}

// Remove makes no new calls for a site, and waits for those in flight. queues are those
// that Add was given.
func (p *Pool) Remove(ctx context.Context, site db.Site, queues []string) {
	if s := p.worker.sites.of(site.Queue()); s != nil {
		p.leave(ctx, s, queues)
	}
}

func (p *Pool) leave(ctx context.Context, s *siteRun, queues []string) {
	s.gate.stop()
	s.remove()
	for _, queue := range append([]string{s.site.Queue()}, queues...) { // first the one whose jobs would end unsent
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
	p.leaveLane(s.fingerprint)
	if err := p.beatOnce(ctx); err != nil { // the next beat records it
		p.cfg.Logger.Warn("the heartbeat waits for the database", "error", err)
	}
}

// leaveLane ends the lane of a token with its last site.
func (p *Pool) leaveLane(fingerprint string) {
	p.changing.Lock()
	defer p.changing.Unlock()
	lane := p.lanes[fingerprint]
	if lane.sites--; lane.sites == 0 {
		lane.Stop()
		lane.end()
		delete(p.lanes, fingerprint)
	}
}
