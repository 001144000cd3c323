package jobs

import (
	"context"
	"time"
)

const (
	// trustedLooks is how many looks of a process with many sites trust the numbers of their
	// jobs, before one that does not.
	trustedLooks = 3

	// smallestWindow is the fewest renames of a site with a job: five minutes of work at
	// Webflow's usual limit.
	smallestWindow = 300
)

// windowOf is the window of a site of so many: many sites share the room of a few.
func windowOf(window, sites int) int {
	if sites <= fewQueues {
		return window
	}
	return min(window, max(window*fewQueues/sites, smallestWindow))
}

// look asks every few seconds which sites have something to feed, and wakes their
// feeders. One statement serves all sites, so sites without work cost nothing. The first look
// is Start's.
func (p *Pool) look(ctx context.Context) {
	tick := time.NewTicker(p.cfg.Times.FeedEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.tryLook(ctx, n%(trustedLooks+1) > 0)
	}
}

func (p *Pool) tryLook(ctx context.Context, trusting bool) {
	if err := p.lookOnce(ctx, trusting); err != nil && ctx.Err() == nil {
		p.cfg.Logger.Warn("the feed waits for the database", "error", err)
	}
}

// lookOnce does not wait for a dead connection: the next look uses another one.
func (p *Pool) lookOnce(ctx context.Context, trusting bool) error {
	feeders, queues := map[int]*feeder{}, map[int]string{}
	for _, s := range p.worker.sites.all() {
		feeders[s.site.ID], queues[s.site.ID] = s.feeder, s.site.Queue()
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	window := 0
	if trusting && len(queues) > fewQueues {
		window = windowOf(p.cfg.Window, len(queues))
	}
	sites, err := p.cfg.DB.SitesToFeed(ctx, queues, window)
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
