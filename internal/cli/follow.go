package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
)

const (
	// pollEvery is how often progress is read: a few indexed queries.
	pollEvery = 500 * time.Millisecond

	// readTime bounds one reading of the progress: after that the connection is dead,
	// and the next reading takes another one.
	readTime = 15 * time.Second

	// shownErrors is how many causes are told of while a batch runs; `status BATCH`
	// has more.
	shownErrors = 3
)

// follow shows a batch's progress, and below it all others that run, until it
// ends, stop says so, or ctx ends.
func (a *app) follow(ctx context.Context, s *session, id int64, stop func(report.Batch) bool) error {
	return a.watchBatches(ctx, s, func(ctx context.Context) (list []report.Batch, end bool, err error) {
		v, err := s.view(ctx, id)
		if err != nil {
			return nil, false, err
		}
		list, end = []report.Batch{v}, v.Left() == 0 || stop(v)
		if end {
			return list, end, nil
		}
		open, err := report.OpenBatches(ctx, s.DB, listedBatches)
		for _, o := range open {
			if o.Batch != id {
				list = append(list, o)
			}
		}
		return list, end, err
	})
}

// watchAll shows all running batches, of one site or with an empty name of all,
// until none is left or ctx ends; then it lists the newest.
func (a *app) watchAll(ctx context.Context, s *session, site string) error {
	var sites []string
	if site != "" {
		if _, err := s.SiteByName(ctx, site); err != nil {
			return err
		}
		sites = []string{site}
	}
	w := runningBatches{a: a, s: s, sites: sites}
	if err := a.watchBatches(ctx, s, w.read); err != nil && ctx.Err() == nil {
		return err
	}
	return a.statusList(context.WithoutCancel(ctx), s, site)
}

// runningBatches reads them again and again, and tells of those that have ended
// since.
type runningBatches struct {
	a      *app
	s      *session
	sites  []string // none: all
	before []report.Batch
}

// read gives those that run, or when none is left those that were the last.
func (w *runningBatches) read(ctx context.Context) (list []report.Batch, end bool, err error) {
	open, err := report.OpenBatches(ctx, w.s.DB, listedBatches, w.sites...)
	if err != nil {
		return nil, false, err
	}
	ended, err := w.ended(ctx, open)
	if err != nil {
		return nil, false, err
	}
	for _, v := range ended {
		w.a.note("%s: %s", headline(v), v.Counts())
	}
	if w.before = open; len(open) == 0 {
		return ended, true, nil
	}
	return open, false, nil
}

func (w *runningBatches) ended(ctx context.Context, open []report.Batch) (ended []report.Batch, err error) {
	for _, b := range w.before {
		if slices.ContainsFunc(open, func(o report.Batch) bool { return o.Batch == b.Batch }) {
			continue
		}
		v, err := w.s.view(ctx, b.Batch)
		if err != nil {
			return nil, err
		}
		if v.Status != "active" && v.Status != "paused" { // others are beyond the list's end
			ended = append(ended, v)
		}
	}
	return ended, nil
}

// readBatches gives the batches to show, and whether this is the end.
type readBatches func(context.Context) (list []report.Batch, end bool, err error)

// watchBatches shows what read gives, until it says that this is the end, or ctx
// ends. A database that is away for a moment is waited for.
func (a *app) watchBatches(ctx context.Context, s *session, read readBatches) error {
	rep := a.newReporter()
	defer rep.end()
	g := gallery{meters: map[int64]*rateMeter{}}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		end, err := g.next(ctx, s, rep, read)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !db.Transient(err):
			return err
		case err == nil && end:
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// gallery makes pictures of batches, each of which needs the ones before for its
// calls a second.
type gallery struct {
	meters map[int64]*rateMeter // by batch
}

// next reads and shows one picture.
func (g *gallery) next(ctx context.Context, s *session, rep reporter, read readBatches) (end bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, end, err := read(ctx)
	if err == nil && len(list) > 0 {
		err = g.show(ctx, s, rep, list)
	}
	return end, err
}

func (g *gallery) show(ctx context.Context, s *session, rep reporter, list []report.Batch) error {
	p := picture{now: list[0].Now}
	ids := make([]int64, len(list))
	rates := map[string]float64{} // by site
	for i, v := range list {
		ids[i] = v.Batch
		rate := g.rate(v)
		rates[v.Site] += rate
		if len(list) == 1 {
			p.bars = append(p.bars, aloneProgress(v, rate))
		} else {
			p.bars = append(p.bars, batchProgress(v, rate))
		}
	}
	if len(list) > 1 {
		p.below = siteLines(list, rates)
	}
	last, err := lastErrors(ctx, s, ids)
	p.below = append(p.below, last...)
	rep.show(p)
	return err
}

func (g *gallery) rate(v report.Batch) float64 {
	if g.meters[v.Batch] == nil {
		g.meters[v.Batch] = &rateMeter{}
	}
	return g.meters[v.Batch].add(v.Now, v.Calls, v.Lane.Window)
}

// aloneProgress shows a batch with what becomes of its site's limit, or why
// nothing is sent.
func aloneProgress(v report.Batch, rate float64) progress {
	why := v.Waiting()
	if why == "" || v.Left() == 0 {
		why = report.Rate(v.Lane)
	}
	return newProgress(v, ratePerSecond(rate), answered429(v.RateLimited), why)
}

// batchProgress shows a batch among others: what its site waits for is told of
// the site.
func batchProgress(v report.Batch, rate float64) progress {
	var details []string
	if v.Calls > 0 {
		details = append(details, ratePerSecond(rate), answered429(v.RateLimited))
	}
	if why := v.OwnWaiting(); why != "" && v.Left() > 0 {
		details = append(details, why)
	}
	p := newProgress(v, details...)
	p.indent = "  "
	return p
}

func newProgress(v report.Batch, details ...string) progress {
	if v.Failed > 0 {
		details = append(details, text.Number(v.Failed)+" failed")
	}
	if e := v.Ends(); e != "" {
		details = append(details, e)
	}
	return progress{
		label: fmt.Sprintf("batch %d", v.Batch), name: text.Line(v.Name), done: v.Done(), total: v.Total, unit: "rows",
		details: details,
	}
}

// siteLines tell of each site how much of its limit is used, or why nothing is.
func siteLines(list []report.Batch, rates map[string]float64) (lines []string) {
	told := map[string]bool{}
	for _, v := range list {
		if told[v.Site] {
			continue
		}
		told[v.Site] = true
		why := v.SiteWaiting()
		if why == "" {
			why = ratePerSecond(rates[v.Site]) + ", " + report.Rate(v.Lane)
		}
		lines = append(lines, "site "+v.Site+": "+why)
	}
	return lines
}

// lastErrors are the newest causes for which calls of some batches failed lately,
// each with an example.
func lastErrors(ctx context.Context, s *session, batches []int64) (lines []string, err error) {
	list, err := s.RecentErrors(ctx, batches)
	for _, e := range list[:min(len(list), shownErrors)] {
		what := e.Error
		if e.HTTPStatus != nil {
			what = fmt.Sprintf("HTTP %d %s", *e.HTTPStatus, what)
		}
		where := fmt.Sprintf("line %d, asset %s", e.Line, e.AssetID)
		if len(batches) > 1 {
			where = fmt.Sprintf("batch %d, %s", e.Batch, where)
		}
		lines = append(lines, fmt.Sprintf("lately %s × %s (%s)", text.Number(e.Calls), text.Cut(text.Line(what), 80), where))
	}
	return lines, err
}
