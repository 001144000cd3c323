package cli

import (
	"context"
	"fmt"
	"slices"
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
			p := progressOf(v, meter.add(v.Now, v.Calls, v.Lane.Window))
			beside, err := besides(ctx, s, v)
			if err != nil && !db.Transient(err) && ctx.Err() == nil {
				return err
			}
			p.details = append(p.details, beside...)
			rep.show(p)
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

// besides tells what else matters to a running batch: the last error, and the
// batches of its site that share the limit with it.
func besides(ctx context.Context, s *session, v report.Batch) (texts []string, err error) {
	if v.Left() == 0 {
		return nil, nil
	}
	open, err := report.OpenBatches(ctx, s.DB, listedBatches, v.Site)
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		if o.Batch != v.Batch {
			texts = append(texts, "also "+shortly(o))
		}
	}
	last, err := lastError(ctx, s, v.Batch)
	if last != "" {
		texts = append(texts, last)
	}
	return texts, err
}

// shortly is "batch 7 names.csv 120/500, ends 14:02:10 (in 3 min)".
func shortly(v report.Batch) string {
	text := fmt.Sprintf("batch %d %s %s/%s", v.Batch, report.Cut(v.Name, 20), report.Number(v.Done()), report.Number(v.Total))
	if why := v.Waiting(); why != "" {
		return text + " " + why
	}
	if e := v.Ends(); e != "" {
		return text + " " + e
	}
	return text
}

// lastError is the newest cause for which a call of some batches failed lately,
// with an example.
func lastError(ctx context.Context, s *session, batches ...int64) (string, error) {
	list, err := s.RecentErrors(ctx, batches)
	if err != nil || len(list) == 0 {
		return "", err
	}
	e := list[0]
	what := e.Error
	if e.HTTPStatus != nil {
		what = fmt.Sprintf("HTTP %d %s", *e.HTTPStatus, what)
	}
	return fmt.Sprintf("last error: %s (line %d, asset %s)", report.Cut(what, 80), e.Line, e.AssetID), nil
}

// watchAll shows all running batches, of one site or with an empty name of all,
// until none is left or ctx ends.
func (a *app) watchAll(ctx context.Context, s *session, site string) error {
	var sites []string
	if site != "" {
		if _, err := s.SiteByName(ctx, site); err != nil {
			return err
		}
		sites = []string{site}
	}
	rep := a.newReporter()
	var shown gallery
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		open, err := report.OpenBatches(ctx, s.DB, listedBatches, sites...)
		if err == nil && len(open) > 0 {
			err = shown.show(ctx, s, rep, open)
		}
		if ctx.Err() != nil || err == nil && len(open) == 0 || err != nil && !db.Transient(err) {
			rep.end()
			if err != nil && ctx.Err() == nil {
				return err
			}
			return a.statusList(context.WithoutCancel(ctx), s, site)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// gallery shows several batches at once.
type gallery struct {
	meter rateMeter
	ids   []int64 // of the batches that it measures
}

func (g *gallery) show(ctx context.Context, s *session, rep reporter, open []report.Batch) error {
	p := progress{label: report.Plural(int64(len(open)), "running batch", "running batches"), now: open[0].Now}
	ids := make([]int64, len(open))
	var calls int64
	lanes := map[string]bool{}
	for i, v := range open {
		ids[i] = v.Batch
		p.done, p.total, p.rateLimited = p.done+v.Done(), p.total+v.Total, p.rateLimited+v.RateLimited
		calls += v.Calls
		if !lanes[v.Site] {
			lanes[v.Site] = true
			p.details = append(p.details, "site "+v.Site+": "+report.Rate(v.Lane))
		}
		p.details = append(p.details, shortly(v))
	}
	if !slices.Equal(ids, g.ids) { // the calls of other batches
		g.meter, g.ids = rateMeter{}, ids
	}
	p.rate = g.meter.add(p.now, calls, open[0].Lane.Window)
	last, err := lastError(ctx, s, ids...)
	if last != "" {
		p.details = append(p.details, last)
	}
	rep.show(p)
	return err
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
