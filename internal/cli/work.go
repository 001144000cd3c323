package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/rehearsal"
	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
	"relabel/jobs"
)

func (a *app) workCommand() *cobra.Command {
	var f workFlags
	var serve webFlags
	var untilDone bool
	cmd := &cobra.Command{
		Use:   "work",
		Short: "Send what is queued, until stopped",
		Long: `Sends what is queued for a site and runs its schedules, until a signal comes, or with
--until-done until nothing is left to send; schedules that are due by then are run too. --site takes several sites (a,b) or all; each needs its token. Any number
of processes may work at once, on any number of machines: together they keep the limit.

The first SIGINT or SIGTERM makes no new calls, lets those in flight end, and exits with 0.
A second one stops at once; what was in flight then is looked at again within a minute.

Exit codes: 0 stopped or nothing left, 1 error, or a batch was paused because too many of its
rows failed alike; with --until-done also 3 some rows did not succeed (those that somebody
cancelled don't count), 4 all that is left waits for a parked site (the API refused its token).`,
		Example: `  relabel work
  relabel work --until-done --site shop,blog
  relabel work --site all
  relabel work --serve 127.0.0.1:8080     # with the dashboard, see relabel serve --help`,
		Args:              noArgs("no arguments"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if err := serve.checkBeside(); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.servingBeside(ctx, s, serve, func() error { return a.work(ctx, s, f, untilDone) })
			})
		},
	}
	f.register(cmd)
	serve.registerBeside(cmd)
	cmd.Flags().BoolVar(&untilDone, "until-done", false, "end when nothing is left to send")
	return cmd
}

func (a *app) work(ctx context.Context, s *session, f workFlags, untilDone bool) error {
	sites, err := a.namedSites(ctx, s)
	if err != nil {
		return err
	}
	since, err := s.Now(ctx)
	if err != nil {
		return err
	}
	working, err := a.startWork(ctx, s, sites, f)
	if err != nil {
		return err
	}
	w := newWatch(s, sites, since, a.cfg.CallTimeout+flightMargin)
	a.note("working on %s; Ctrl-C stops", w.label)
	var turnErr error
	if untilDone { // what is due now belongs to what is to be done
		if _, turnErr = working.schedules.Turn(ctx); ctx.Err() != nil {
			turnErr = nil
		}
	}
	watchErr := a.watchWork(ctx, w, untilDone) // one site's trouble is no other one's
	if err := cmp.Or(working.stop(), watchErr, turnErr); err != nil {
		return err
	}
	return a.workEnd(context.WithoutCancel(ctx), w, ctx.Err() != nil)
}

// namedSites reads --site: a name, several with commas between, or all.
func (a *app) namedSites(ctx context.Context, s *session) ([]jobs.SiteConfig, error) {
	names := strings.Split(a.site, ",")
	if a.site == "all" {
		all, err := s.Sites(ctx)
		if err != nil {
			return nil, err
		}
		names = nil
		for _, site := range all {
			if !rehearsal.IsStandIn(site.Name) {
				names = append(names, site.Name)
			}
		}
	}
	slices.Sort(names)
	var sites []jobs.SiteConfig
	for _, name := range slices.Compact(names) {
		cfg, err := a.namedSite(ctx, s, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		sites = append(sites, cfg)
	}
	return sites, nil
}

// watch follows what sites have to do.
type watch struct {
	s     *session
	sites []db.Site
	ids   []int
	label string
	since time.Time
	meter rateMeter

	flight time.Duration // the longest that a call in flight may take
	idle   time.Time     // since when nothing is left but calls in flight
}

func newWatch(s *session, sites []jobs.SiteConfig, since time.Time, flight time.Duration) *watch {
	w := &watch{s: s, since: since, flight: flight}
	var names []string
	for _, c := range sites {
		w.sites, w.ids = append(w.sites, c.Site), append(w.ids, c.Site.ID)
		names = append(names, c.Site.Name)
	}
	w.label = "site " + names[0]
	if len(names) > 1 {
		w.label = "sites " + text.Cut(strings.Join(names, ", "), 40)
	}
	return w
}

// workload is what all the watched sites have to do, together.
type workload struct {
	open, paused int64
	ending       int64    // rows of cancelled batches that have not ended yet
	flying       int64    // of all these, those whose call is in flight
	runs         int64    // of schedules, that are to be brought on
	parked       int64    // of open and runs, those of parked sites
	reasons      []string // why sites are parked
}

func (w *watch) workload(ctx context.Context) (all workload, err error) {
	for _, site := range w.sites {
		one, err := w.s.SiteBacklog(ctx, site.ID)
		if err != nil {
			return all, err
		}
		runs, err := w.s.RunsToDo(ctx, site.ID)
		if err != nil {
			return all, err
		}
		all.open += one.Open
		all.paused += one.Paused
		all.flying += one.Flying
		all.ending += one.Ending
		all.runs += runs
		if one.ParkedReason != nil {
			all.parked += one.Open + runs
			all.reasons = append(all.reasons, fmt.Sprintf("site %s is parked: %s", site.Name, *one.ParkedReason))
		}
	}
	return all, nil
}

func (w workload) done() bool { return w.open+w.runs+w.ending == 0 }

// stuck tells that nothing can be sent until a person has done something.
func (w workload) stuck() bool {
	return w.open+w.runs > 0 && w.ending == 0 && w.open+w.runs == w.parked
}

// flightMargin is what a claim's lease allows beyond its call.
const flightMargin = 15 * time.Second

// over tells that nothing is left to wait for. Of a batch that is paused, or a site
// that is parked, calls of other processes may be in flight: their outcome counts,
// and is there before their leases end. A killed process's rows stay in flight, as
// far as anybody knows, until somebody may claim them again.
func (w *watch) over(load workload, now time.Time) bool {
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

// watchWork shows progress until the end: a signal, or with untilDone nothing
// left that can be sent. A database that is away for a moment is waited for.
func (a *app) watchWork(ctx context.Context, w *watch, untilDone bool) error {
	view := a.newView()
	defer view.Close()
	told := 0
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		load, err := w.next(ctx, view)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && db.Transient(err):
			continue
		case err != nil:
			return err
		case untilDone && w.over(load, time.Now()):
			return nil
		}
		for ; told < len(load.reasons); told++ { // once
			a.note("%s", load.reasons[told])
		}
		told = len(load.reasons)
	}
}

// next reads and shows how far it is.
func (w *watch) next(ctx context.Context, view terminal.View) (workload, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	load, err := w.workload(ctx)
	if err == nil {
		err = w.show(ctx, view)
	}
	return load, err
}

func (w *watch) show(ctx context.Context, view terminal.View) error {
	at, err := w.s.SiteProgress(ctx, w.ids, w.since)
	if err != nil {
		return err
	}
	lane, _, err := w.s.Lane(ctx, w.sites[0].Name)
	if err != nil {
		return err
	}
	p := terminal.Progress{
		Label: w.label, Done: at.Ended, Total: at.Total, Unit: "rows",
		Details: []string{ratePerSecond(w.meter.add(at.Now, at.Calls, lane.Window)), answered429(at.RateLimited)},
	}
	if len(w.sites) == 1 {
		p.Details = append(p.Details, report.Rate(lane))
	}
	if at.Failed > 0 {
		p.Details = append(p.Details, text.Number(at.Failed)+" failed")
	}
	view.Show(terminal.Frame{At: at.Now, Bars: []terminal.Progress{p}})
	return nil
}

// workEnd reports, and gives the exit code of the contract.
func (a *app) workEnd(ctx context.Context, w *watch, signalled bool) error {
	load, err := w.workload(ctx)
	if err != nil {
		return err
	}
	at, err := w.s.SiteProgress(ctx, w.ids, w.since)
	if err != nil {
		return err
	}
	if err := a.printWorked(w, load, at); err != nil {
		return err
	}
	if n := load.paused - at.Held; n > 0 {
		a.note("%s in paused batches: relabel batch resume BATCH", text.Plural(n, "row waits", "rows wait"))
	}
	switch {
	case signalled:
		return nil
	case load.stuck():
		return exitErr{exitParked, strings.Join(load.reasons, "; ")}
	case at.Held > 0:
		return exitErr{exitError, fmt.Sprintf("%s in batches that were paused for failing; `relabel status BATCH` says why",
			text.Plural(at.Held, "row waits", "rows wait"))}
	}
	var bad int64
	for _, site := range w.sites {
		n, err := w.s.TroubledSince(ctx, site.ID, w.since)
		if err != nil {
			return err
		}
		bad += n
	}
	if bad > 0 {
		return exitErr{exitTrouble, fmt.Sprintf("%s did not succeed; `relabel status` shows which batches", text.Plural(bad, "row", "rows"))}
	}
	return nil
}

// workedJSON is what `work --json` prints at its end.
type workedJSON struct {
	Sites       []string `json:"sites"`
	Left        int64    `json:"left"`
	Paused      int64    `json:"paused"`
	InFlight    int64    `json:"in_flight"`
	Ended       int64    `json:"ended"`
	Calls       int64    `json:"calls"`
	RateLimited int64    `json:"rate_limited"`
	Parked      []string `json:"parked"`
}

func (a *app) printWorked(w *watch, load workload, at db.SiteProgress) error {
	if !a.json {
		line := fmt.Sprintf("stopped; %s left to send", text.Plural(load.open, "row is", "rows are"))
		if load.flying > 0 {
			line += ", " + text.Plural(load.flying, "call was", "calls were") + " in flight elsewhere"
		}
		a.note("%s", line)
		return nil
	}
	out := workedJSON{
		Sites: []string{}, Left: load.open, Paused: load.paused, InFlight: load.flying, Ended: at.Ended,
		Calls: at.Calls, RateLimited: at.RateLimited, Parked: append([]string{}, load.reasons...),
	}
	for _, site := range w.sites {
		out.Sites = append(out.Sites, site.Name)
	}
	return a.result.print(out)
}
