package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

const (
	// newestBatches is how many batches the overview considers.
	newestBatches = 50

	// shownEnded is how many ended batches it lists.
	shownEnded = 8
)

// overviewFigures is the live part of the first page.
type overviewFigures struct {
	Now       time.Time
	Sites     []siteFigures
	Idle      []siteFigures // sites without work
	Running   []report.Batch
	Ended     []report.Batch
	By        map[int64]string // who loaded the ended ones
	Needs     []needGroup
	Seen      []need // marked as seen
	Schedules []scheduleFigures
	Workers   int
	Say       string // for screen readers
}

// siteFigures are a site's rate limit and how it is used.
type siteFigures struct {
	db.Site
	Work   records.SiteBacklog
	Lane   records.LaneState
	Known  bool // there is a lane
	Worked bool // a process works on it
	Users  []records.LaneUser
	Wait   string // why nothing is sent now
}

func (s *Server) overviewPage(w http.ResponseWriter, r *http.Request) {
	p, err := s.overview(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "overview", p)
}

func (s *Server) overview(ctx context.Context) (page, error) {
	f := overviewFigures{}
	var err error
	if f.Now, err = s.cfg.DB.Now(ctx); err != nil {
		return page{}, err
	}
	live, err := records.LiveProcesses(ctx, s.cfg.DB)
	if err != nil {
		return page{}, err
	}
	f.Workers = len(live)
	if err := s.readSites(ctx, &f, live); err != nil {
		return page{}, err
	}
	newest, err := report.Batches(ctx, s.cfg.DB, "", newestBatches)
	if err != nil {
		return page{}, err
	}
	open, err := report.OpenBatches(ctx, s.cfg.DB, newestBatches)
	if err != nil {
		return page{}, err
	}
	schedules, err := scheduledb.List(ctx, s.cfg.DB, "")
	if err != nil {
		return page{}, err
	}
	if f.Schedules, err = s.readSchedules(ctx, schedules); err != nil {
		return page{}, err
	}
	f.sort(open, newest)
	if f.By, err = s.loaders(ctx, f.Ended); err != nil {
		return page{}, err
	}
	if err := s.readNeeds(ctx, &f, newest); err != nil {
		return page{}, err
	}
	f.Say = f.say()
	return page{Title: "Overview", Nav: "overview", Topic: "overview", Figures: f}, nil
}

func (s *Server) readSites(ctx context.Context, f *overviewFigures, live []db.Process) error {
	sites, err := s.cfg.DB.Sites(ctx)
	if err != nil {
		return err
	}
	users, err := records.LaneUsers(ctx, s.cfg.DB)
	if err != nil {
		return err
	}
	for _, site := range sites {
		if s.cfg.StandIn != nil && s.cfg.StandIn(site.Name) { // of the demo and rehearsals
			continue
		}
		one := siteFigures{Site: site}
		one.Worked = slices.ContainsFunc(live, func(p db.Process) bool { return slices.Contains(p.Sites, site.ID) })
		if one.Lane, one.Known, err = records.Lane(ctx, s.cfg.DB, site.Name); err != nil {
			return err
		}
		if one.Work, err = records.Backlog(ctx, s.cfg.DB, site.ID); err != nil {
			return err
		}
		for _, u := range users {
			if u.Site == site.Name {
				one.Users = append(one.Users, u)
			}
		}
		one.Wait = one.waiting()
		if one.Work.Open+one.Work.Paused == 0 && one.Wait == "" {
			f.Idle = append(f.Idle, one)
			continue
		}
		f.Sites = append(f.Sites, one)
	}
	return nil
}

// waiting says why a site sends nothing now, or must wait for its rate limit. The cause of
// a parked site is shown once, under "Needs attention".
func (s siteFigures) waiting() string {
	if s.ParkedReason != nil {
		return "parked: nothing is sent until it is resumed"
	}
	site := report.Site{
		Name: s.Name, Paused: s.PausedAt != nil, Worked: s.Worked || s.Work.Open == 0, Lane: s.Lane,
		RefusedIn: s.RefusedIn,
	}
	if s.BreakerOpen {
		site.Broken = s.Work.BreakerError
	}
	why := site.Waiting()
	if why == "" && s.Work.Open > 0 && s.Lane.Limit > 0 && s.Lane.Used >= s.Lane.Limit {
		return "the limit is used up: each call counts until " + report.Window(s.Lane.Window) + " after its answer"
	}
	return why
}

// idle reports whether rows wait for a worker and for nothing else.
func (s siteFigures) idle() bool {
	return s.Work.Open > 0 && !s.Worked && s.ParkedReason == nil && s.PausedAt == nil
}

// sort puts batches under running or ended.
func (f *overviewFigures) sort(open, newest []report.Batch) {
	f.Running = open
	for _, b := range newest {
		if b.FinishedAt != nil && len(f.Ended) < shownEnded {
			f.Ended = append(f.Ended, b)
		}
	}
}

// say sums up the page for a screen reader.
func (f *overviewFigures) say() string {
	if len(f.Running) == 0 {
		return "Nothing is running."
	}
	var parts []string
	for _, b := range f.Running[:min(len(f.Running), 3)] {
		parts = append(parts, fmt.Sprintf("Batch %d: %s of %s rows done.", b.Batch, text.Number(b.Done()), text.Number(b.Total)))
	}
	return strings.Join(parts, " ")
}

func batchPath(id int64) string { return fmt.Sprintf("/batch/%d", id) }
