package cli

import (
	"context"
	"slices"

	"relabel/internal/report"
)

// follow shows a batch's progress, and below it all other running batches, until the
// batch ends, stop returns true, or ctx ends. wake is as for watchBatches.
func (a *app) follow(ctx context.Context, s *session, id int64, wake <-chan struct{}, stop func(report.Batch) bool) error {
	return a.watchBatches(ctx, s, wake, func(ctx context.Context) (list []report.Batch, end bool, err error) {
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

// watchAll shows all running batches, of one site or (if site is empty) of all,
// until none is left or ctx ends. Then it lists the newest.
func (a *app) watchAll(ctx context.Context, s *session, site string) error {
	var sites []string
	if site != "" {
		if _, err := s.SiteByName(ctx, site); err != nil {
			return err
		}
		sites = []string{site}
	}
	w := runningBatches{a: a, s: s, sites: sites}
	if err := a.watchBatches(ctx, s, nil, w.read); err != nil && ctx.Err() == nil {
		return err
	}
	return a.statusList(context.WithoutCancel(ctx), s, site)
}

// runningBatches reads the running batches again and again, and prints a note for
// each that has ended since the last time.
type runningBatches struct {
	a      *app
	s      *session
	sites  []string // none: all
	before []report.Batch
}

// read returns the running batches. If none is left, it returns the last ones that
// ended, and end is true.
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
		if !v.Status.Open() { // else it is only beyond the end of the list
			ended = append(ended, v)
		}
	}
	return ended, nil
}
