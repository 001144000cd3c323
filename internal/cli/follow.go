package cli

import (
	"context"
	"fmt"
	"time"

	"relabel/db"
)

// pollEvery is how often progress is read: one indexed query.
const pollEvery = 500 * time.Millisecond

// follow shows a batch's progress until it ends, stop says so, or ctx ends. A
// database that is away for a moment is
// waited for.
func (a *app) follow(ctx context.Context, s *session, id int64, stop func(batchView) bool) error {
	rep := a.newReporter()
	defer rep.end()
	var meter rateMeter
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		v, err := s.view(ctx, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !db.Transient(err):
			return err
		case err == nil:
			rep.show(v.progress(meter.add(v.Now, v.Calls, v.lane.Window)))
			if v.Left() == 0 || stop(v) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (v batchView) progress(rate float64) progress {
	p := progress{
		label: fmt.Sprintf("batch %d", v.Batch), done: v.Total - v.Left(), total: v.Total,
		rate: rate, rateLimited: v.RateLimited, now: v.Now,
	}
	if why := v.waiting(); why != "" && v.Left() > 0 {
		p.details = append(p.details, why)
	} else {
		p.details = append(p.details, rateText(v.lane))
	}
	if v.Failed > 0 {
		p.details = append(p.details, number(v.Failed)+" failed")
	}
	if e := v.etaText(); e != "" {
		p.details = append(p.details, e)
	}
	return p
}
