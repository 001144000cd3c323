package cli

import (
	"context"
	"fmt"
	"time"

	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

const (
	// pollEvery is how often progress is read: a few indexed queries.
	pollEvery = 500 * time.Millisecond

	// idlePollEvery is the same while a worker has nothing to do.
	idlePollEvery = 5 * time.Second

	// readTime bounds one read of the progress. If it takes longer, the connection is
	// dead, and the next read takes another one.
	readTime = 15 * time.Second

	// shownErrors is how many causes are shown while a batch runs; `status BATCH` shows
	// more.
	shownErrors = 3
)

// readBatches returns the batches to show. end means that the next frame is the last.
type readBatches func(context.Context) (list []report.Batch, end bool, err error)

// watchBatches shows the batches that read returns, until its end or that of ctx. It
// waits while the database is away for a moment. wake asks for a read at once; it may be
// nil.
func (a *app) watchBatches(ctx context.Context, s *session, wake <-chan struct{}, read readBatches) error {
	view := a.newView()
	defer view.Close()
	p := progressView{view: view, s: s, meters: map[int64]*rateMeter{}}
	poll := newPoll(wake)
	defer poll.stop()
	away := outage{app: a}
	for {
		end, err := p.next(ctx, read)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && !pg.Transient(err):
			return err
		case err == nil && end:
			return nil
		}
		away.note(err)
		if err := poll.wait(ctx); err != nil {
			return err
		}
	}
}

// outage says once that the database does not answer, and once that it does again.
type outage struct {
	app  *app
	away bool
}

func (o *outage) note(err error) {
	switch {
	case err != nil && !o.away:
		o.app.warn("the database does not answer (%s); trying again until it does, Ctrl-C stops", text.OneLine(err.Error()))
	case err == nil && o.away:
		o.app.note("the database answers again")
	}
	o.away = err != nil
}

// poll waits between two reads of the progress: for pollEvery, or a moment after wake.
// The moment keeps a fast run without a limit from reading after each of its rows.
type poll struct {
	tick  *time.Ticker
	every time.Duration
	wake  <-chan struct{}
	woken bool // the last wait ended with a wake
}

const wakeDelay = 10 * time.Millisecond

func newPoll(wake <-chan struct{}) *poll {
	return &poll{tick: time.NewTicker(pollEvery), every: pollEvery, wake: wake}
}

func (p *poll) stop() { p.tick.Stop() }

// pace polls less often while there is nothing to do. The end of the next row is a wake.
func (p *poll) pace(idle bool) {
	every := pollEvery
	if idle {
		every = idlePollEvery
	}
	if p.every != every {
		p.every = every
		p.tick.Reset(every)
	}
}

func (p *poll) wait(ctx context.Context) error {
	p.woken = false
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.tick.C:
		return nil
	case <-p.wake:
		p.woken = true
	}
	p.tick.Reset(wakeDelay)
	defer func() { p.tick.Reset(p.every) }()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.tick.C:
		return nil
	}
}

// progressView shows batches, frame by frame. It remembers earlier frames to measure
// calls a second.
type progressView struct {
	view   terminal.View
	s      *session
	meters map[int64]*rateMeter // by batch
}

// next reads and shows one frame.
func (p *progressView) next(ctx context.Context, read readBatches) (end bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	list, end, err := read(ctx)
	if err == nil && len(list) > 0 {
		err = p.show(ctx, list)
	}
	return end, err
}

func (p *progressView) show(ctx context.Context, list []report.Batch) error {
	f := terminal.Frame{At: list[0].Now}
	ids := make([]int64, len(list))
	rates := map[string]float64{} // by site
	for i, v := range list {
		ids[i] = v.Batch
		rate := p.rate(v)
		rates[v.Site] += rate
		if len(list) == 1 {
			f.Bars = append(f.Bars, aloneProgress(v, rate))
		} else {
			f.Bars = append(f.Bars, batchProgress(v, rate))
		}
	}
	if len(list) > 1 {
		f.Below = siteLines(list, rates)
	}
	last, err := lastErrors(ctx, p.s, ids)
	f.Below = append(f.Below, last...)
	p.view.Show(f)
	return err
}

func (p *progressView) rate(v report.Batch) float64 {
	if p.meters[v.Batch] == nil {
		p.meters[v.Batch] = &rateMeter{}
	}
	return p.meters[v.Batch].add(v.Now, v.Calls, v.Lane.Window)
}

// aloneProgress shows a single batch, with the use of its site's limit or why nothing
// is sent.
func aloneProgress(v report.Batch, rate float64) terminal.Progress {
	why := v.Waiting()
	if why == "" || v.Left() == 0 {
		why = report.Rate(v.Lane)
	}
	return newProgress(v, ratePerSecond(rate), answered429(v.RateLimited), why)
}

// batchProgress shows a batch among others. What its whole site waits for is in
// siteLines.
func batchProgress(v report.Batch, rate float64) terminal.Progress {
	var details []string
	if v.Calls > 0 {
		details = append(details, ratePerSecond(rate), answered429(v.RateLimited))
	}
	if why := v.OwnWaiting(); why != "" && v.Left() > 0 {
		details = append(details, why)
	}
	p := newProgress(v, details...)
	p.Indent = "  "
	return p
}

func newProgress(v report.Batch, details ...string) terminal.Progress {
	if v.Failed > 0 {
		details = append(details, text.Number(v.Failed)+" failed")
	}
	if e := v.Ends(); e != "" {
		details = append(details, e)
	}
	return terminal.Progress{
		Label: fmt.Sprintf("batch %d", v.Batch), Name: text.Line(v.Name), Done: v.Done(), Total: v.Total, Unit: "rows",
		Details: details,
	}
}

// siteLines say of each site how much of its limit is used, or why nothing is sent.
func siteLines(list []report.Batch, rates map[string]float64) (lines []string) {
	done := map[string]bool{}
	for _, v := range list {
		if done[v.Site] {
			continue
		}
		done[v.Site] = true
		why := v.SiteWaiting()
		if why == "" {
			why = ratePerSecond(rates[v.Site]) + ", " + report.Rate(v.Lane)
		}
		lines = append(lines, "site "+v.Site+": "+why)
	}
	return lines
}

// lastErrors are the newest causes of failed calls, each with an example.
func lastErrors(ctx context.Context, s *session, batches []int64) (lines []string, err error) {
	list, err := records.RecentErrors(ctx, s.DB, batches)
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
