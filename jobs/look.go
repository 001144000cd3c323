package jobs

import (
	"context"
	"time"
)

// look asks every few seconds which sites have something to feed, and wakes their
// feeders. One statement serves all sites, so sites without work cost nothing.
func (p *Pool) look(ctx context.Context) {
	tick := time.NewTicker(p.cfg.Times.FeedEvery)
	defer tick.Stop()
	for {
		if err := p.lookOnce(ctx); err != nil && ctx.Err() == nil {
			p.cfg.Logger.Warn("the feed waits for the database", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookOnce does not wait for a dead connection: the next look uses another one.
func (p *Pool) lookOnce(ctx context.Context) error {
	feeders, queues := map[int]*feeder{}, map[int]string{}
	for _, s := range p.worker.sites.all() {
		feeders[s.site.ID], queues[s.site.ID] = s.feeder, s.site.Queue()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	sites, err := p.cfg.DB.SitesToFeed(ctx, queues)
	if err != nil {
		return err
	}
	for _, id := range sites {
		feeders[id].wakeAt(time.Now())
	}
	return p.joinBusy(ctx, sites, queues)
}

// joinBusy works the queues of sites that have something to feed and those with waiting
// jobs, and leaves those that had neither for a while.
func (p *Pool) joinBusy(ctx context.Context, sites []int, queues map[int]string) error {
	if p.queues.few() { // and perhaps were not a moment ago
		return p.queues.join(ctx, p.queues.names())
	}
	busy, err := p.cfg.DB.QueuesWithJobs(ctx, p.queues.names())
	if err != nil {
		return err
	}
	for _, id := range sites {
		busy = append(busy, queues[id])
	}
	if err := p.queues.join(ctx, busy); err != nil {
		return err
	}
	p.queues.leaveIdle(ctx, time.Now().Add(-p.cfg.Times.QueueIdle))
	return nil
}
