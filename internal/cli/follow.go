package cli

import (
	"context"
	"fmt"
	"time"

	"relabel/db"
	"relabel/internal/report"
)

// pollEvery is how often progress is read: one indexed query.
const pollEvery = 500 * time.Millisecond

// follow shows a batch's progress until it ends, stop says so, or ctx ends. A
// database that is away for a moment is
// waited for.
func (a *app) follow(ctx context.Context, s *session, id int64, stop func(report.Batch) bool) error {
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
			rep.show(progressOf(v, meter.add(v.Now, v.Calls, v.Lane.Window)))
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

func progressOf(v report.Batch, rate float64) progress {
	p := progress{
		label: fmt.Sprintf("batch %d", v.Batch), done: v.Done(), total: v.Total,
		rate: rate, rateLimited: v.RateLimited, now: v.Now,
	}
	if why := v.Waiting(); why != "" && v.Left() > 0 {
		p.details = append(p.details, why)
	} else {
		p.details = append(p.details, report.Rate(v.Lane))
	}
	if v.Failed > 0 {
		p.details = append(p.details, report.Number(v.Failed)+" failed")
	}
	if e := v.Ends(); e != "" {
		p.details = append(p.details, e)
	}
	return p
}
