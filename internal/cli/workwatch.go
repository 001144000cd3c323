package cli

import (
	"context"
	"strings"
	"sync"
	"time"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
	"relabel/jobs"
)

// workWatch follows the work for some sites.
type workWatch struct {
	s     *session
	since time.Time
	meter rateMeter

	mu    sync.Mutex
	sites []db.Site // replaced as a whole, see follow

	still bool // nothing was left to do at the last read

	flight time.Duration // the longest time that a call in flight may take
	idle   time.Time     // since when only calls in flight are left
}

func newWorkWatch(s *session, sites []jobs.SiteConfig, since time.Time, flight time.Duration) *workWatch {
	w := &workWatch{s: s, since: since, flight: flight}
	w.follow(sites)
	return w
}

// follow changes the sites.
func (w *workWatch) follow(sites []jobs.SiteConfig) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sites = nil
	for _, c := range sites {
		w.sites = append(w.sites, c.Site)
	}
}

// watched returns the sites and their ids.
func (w *workWatch) watched() (sites []db.Site, ids []int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids = []int{}
	for _, site := range w.sites {
		ids = append(ids, site.ID)
	}
	return w.sites, ids
}

// label names the sites.
func (w *workWatch) label() string {
	sites, _ := w.watched()
	var names []string
	for _, site := range sites {
		names = append(names, site.Name)
	}
	if len(names) == 1 {
		return "site " + names[0]
	}
	return "sites " + text.Cut(strings.Join(names, ", "), 40)
}

// flightMargin is how much longer a claim's lease is than its call.
const flightMargin = 15 * time.Second

// over reports whether nothing is left to wait for. Other processes may still have
// calls in flight for a paused batch or a parked site. Their outcome counts, so over
// waits for it, until their leases have ended. The rows of a killed process look in
// flight until then.
func (w *workWatch) over(load workload, now time.Time) bool {
	switch {
	case !load.done() && !load.stuck():
		w.idle = time.Time{}
		return false
	case load.flying == 0:
		return true
	case w.idle.IsZero():
		w.idle = now
	}
	return now.Sub(w.idle) > w.flight
}

// watchWork shows progress until a signal, or with untilDone until nothing is left
// that can be sent. It waits while the database is away for a moment.
func (a *app) watchWork(ctx context.Context, w *workWatch, wake <-chan struct{}, untilDone bool) error {
	view := a.newView()
	defer view.Close()
	noted := 0
	poll := newPoll(wake)
	defer poll.stop()
	away := outage{app: a}
	for first := true; ; first = false {
		if !first && poll.wait(ctx) != nil {
			return nil
		}
		load, err := w.next(ctx, view, poll.woken)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && pg.Transient(err):
			away.note(err)
			continue
		case err != nil:
			return err
		case untilDone && w.over(load, time.Now()):
			return nil
		}
		away.note(nil)
		poll.pace(load.done())
		for ; noted < len(load.reasons); noted++ { // once each
			a.warn("%s", load.reasons[noted])
		}
		noted = len(load.reasons)
	}
}

// next reads and shows the progress. While nothing is left to do it need not read the
// counts again, unless this process has just ended rows (woken).
func (w *workWatch) next(ctx context.Context, view terminal.View, woken bool) (workload, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	load, err := w.workload(ctx)
	if err != nil || w.still && load.done() && !woken {
		return load, err
	}
	err = w.show(ctx, view)
	w.still = err == nil && load.done()
	return load, err
}

func (w *workWatch) show(ctx context.Context, view terminal.View) error {
	sites, ids := w.watched()
	if len(sites) == 0 {
		return nil
	}
	at, err := records.Progress(ctx, w.s.DB, ids, w.since)
	if err != nil {
		return err
	}
	lane, _, err := records.Lane(ctx, w.s.DB, sites[0].Name)
	if err != nil {
		return err
	}
	p := terminal.Progress{
		Label: w.label(), Done: at.Ended, Total: at.Total, Unit: "rows",
		Details: []string{ratePerSecond(w.meter.add(at.Now, at.Calls, lane.Window)), answered429(at.RateLimited)},
	}
	if len(sites) == 1 {
		p.Details = append(p.Details, report.Rate(lane))
	}
	if at.Failed > 0 {
		p.Details = append(p.Details, text.Number(at.Failed)+" failed")
	}
	view.Show(terminal.Frame{At: at.Now, Bars: []terminal.Progress{p}})
	return nil
}
