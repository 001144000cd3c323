package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"relabel/internal/records"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// scheduleFigures is a schedule with its last run.
type scheduleFigures struct {
	scheduledb.Schedule
	Source string
	Last   *scheduledb.Run
	Real   *scheduledb.Run // the newest that was neither skipped nor missed, if Last was
	Now    time.Time
}

// readRuns finds the last run, and the last result if that run was skipped or missed.
func (s *Server) readRuns(ctx context.Context, f *scheduleFigures) (err error) {
	if f.Last, err = scheduledb.LastRun(ctx, s.cfg.DB, f.ID); err != nil || f.Last == nil || f.Last.Status.HasResult() {
		return err
	}
	f.Real, err = scheduledb.LastResult(ctx, s.cfg.DB, f.ID)
	return err
}

// LastText says how the last run ended, and why.
func (s scheduleFigures) LastText() string {
	if s.Last == nil {
		return "never ran"
	}
	result := schedule.RunText(*s.Last)
	if why := strings.TrimSpace(text.Deref(s.Last.Error) + " " + text.Deref(s.Last.Note)); why != "" {
		return result + ": " + text.Cut(why, 300)
	}
	return result
}

// When says in words when it is due, or gives the cron expression.
func (s scheduleFigures) When() string {
	if words := schedule.InWords(s.Cron, s.TimeZone); words != "" {
		return words
	}
	return s.Cron + ", " + s.TimeZone
}

// Shown is the word of its badge. A paused schedule is neither well nor in trouble.
func (s scheduleFigures) Shown() badge {
	if s.PausedAt != nil {
		return badge{"off", "paused"}
	}
	return badgeOf(s.State)
}

// needs says what a person must check. It links to the plan if one is held back.
func (s scheduleFigures) needs() need {
	n := need{Kind: needSchedule, Text: "Schedule " + s.Name + ": " + s.LastText(), Link: "/schedule/" + s.Name}
	if s.Last != nil {
		n.Key = fmt.Sprintf("schedule %s, run %d, %s", s.Name, s.Last.Run, s.State)
	}
	if s.Last == nil || string(s.Last.Status) != s.State {
		n.Text = fmt.Sprintf("Schedule %s: %s; %s", s.Name, s.State, s.LastText())
	}
	if s.Last != nil && s.Last.Status == scheduledb.RunHeld && s.Last.Batch != nil {
		n.Link = batchPath(*s.Last.Batch)
	}
	return n
}

type schedulesFigures struct {
	List []scheduleFigures
	pager
	Say string
}

type historyFigures struct {
	scheduleFigures
	Runs []scheduledb.Run
	pager
	Say string
}

func (s *Server) schedulesPage(w http.ResponseWriter, r *http.Request) {
	p, err := s.schedulesOf(r.Context(), pageNumber(r.URL.Query()))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "schedules", p)
}

// schedules reads the first page, which is live.
func (s *Server) schedules(ctx context.Context) (page, error) { return s.schedulesOf(ctx, 1) }

func (s *Server) schedulesOf(ctx context.Context, number int) (page, error) {
	list, err := scheduledb.List(ctx, s.cfg.DB, "")
	if err != nil {
		return page{}, err
	}
	var f schedulesFigures
	list, f.pager = pageOf(list, number)
	if f.List, err = s.readSchedules(ctx, list); err != nil {
		return page{}, err
	}
	p := page{Title: "Schedules", Nav: "schedules", Figures: f}
	if number == 1 {
		p.Topic = "schedules"
	}
	return p, nil
}

func (s *Server) readSchedules(ctx context.Context, list []scheduledb.Schedule) ([]scheduleFigures, error) {
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]scheduleFigures, len(list))
	for i, one := range list {
		out[i] = scheduleFigures{Schedule: one, Source: schedule.ShownSource(one), Now: now}
		if err := s.readRuns(ctx, &out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *Server) schedulePage(w http.ResponseWriter, r *http.Request) {
	p, err := s.history(r.Context(), r.PathValue("name"), pageNumber(r.URL.Query()))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "schedule", p)
}

// history reads a schedule and a page of its runs. The first page is live.
func (s *Server) history(ctx context.Context, name string, number int) (page, error) {
	one, err := scheduledb.ByName(ctx, s.cfg.DB, name)
	if err != nil {
		return page{}, err
	}
	f := historyFigures{scheduleFigures: scheduleFigures{Schedule: one, Source: schedule.ShownSource(one)}}
	if f.Now, err = s.cfg.DB.Now(ctx); err != nil {
		return page{}, err
	}
	if err := s.readRuns(ctx, &f.scheduleFigures); err != nil {
		return page{}, err
	}
	runs, err := scheduledb.Runs(ctx, s.cfg.DB, one.ID, number*onPage+1)
	if err != nil {
		return page{}, err
	}
	f.Runs, f.pager = pageOf(runs, number)
	p := page{Title: "Schedule " + one.Name, Nav: "schedules", Figures: f}
	if number == 1 {
		p.Topic = "schedule/" + one.Name
	}
	return p, nil
}

// scheduleAction does something to a schedule.
type scheduleAction func(ctx context.Context, by usecase.Actor, one scheduledb.Schedule) (done, error)

// scheduleActions returns the actions of a schedule's page.
func (s *Server) scheduleActions() map[string]scheduleAction {
	return map[string]scheduleAction{
		"run": s.runSchedule, "test": s.testSchedule, "pause": s.pauseSchedule, "resume": s.resumeSchedule, "remove": s.removeSchedule,
	}
}

func (s *Server) changeSchedule(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("action")
	act := s.scheduleActions()[name]
	if act == nil {
		s.notFound(w, r)
		return
	}
	one, err := scheduledb.ByName(r.Context(), s.cfg.DB, r.PathValue("name"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.act(w, r, name+" schedule "+one.Name, schedulePath(one.Name), func(ctx context.Context, by usecase.Actor) (done, error) {
		return act(ctx, by, one)
	})
}

func schedulePath(name string) string { return "/schedule/" + name }

// recorded runs an action on a schedule between the two writes of its audit entry.
func (s *Server) recorded(ctx context.Context, by usecase.Actor, action string, one scheduledb.Schedule, act func(context.Context) error) error {
	return s.use.Record(ctx, by, records.AuditEntry{Action: action, Subject: "schedule " + one.Name}, func(ctx context.Context) (int64, error) {
		return -1, act(ctx)
	})
}

func (s *Server) runSchedule(ctx context.Context, by usecase.Actor, one scheduledb.Schedule) (done, error) {
	var run scheduledb.Run
	err := s.recorded(ctx, by, "run", one, func(ctx context.Context) (err error) {
		run, err = scheduledb.RunNow(ctx, s.cfg.DB, one.ID)
		if err == nil && run.Status == scheduledb.RunSkipped {
			err = fmt.Errorf("run %d is skipped: %s", run.Run, text.Deref(run.Note))
		}
		return err
	})
	if run.Note != nil {
		return done{text: fmt.Sprintf("Run %d %s.", run.Run, *run.Note)}, err
	}
	return done{text: fmt.Sprintf("Run %d is queued; a worker starts it.", run.Run)}, err
}

// testSchedule makes a plan of what a run would change.
func (s *Server) testSchedule(ctx context.Context, by usecase.Actor, one scheduledb.Schedule) (done, error) {
	site, err := s.cfg.DB.SiteByName(ctx, one.Site)
	if err != nil {
		return done{}, err
	}
	plan, err := s.cfg.Schedules.TestRun(ctx, s.use, by, one, s.readNames(site))
	if err != nil {
		return done{}, err
	}
	out := done{text: "This test run of " + one.Name + " is a plan: nothing is sent unless you apply it.", next: batchPath(plan.BatchID)}
	if why := s.firstCompare(site, plan); why != "" {
		out.text += " " + why
	}
	return out, nil
}

func (s *Server) pauseSchedule(ctx context.Context, by usecase.Actor, one scheduledb.Schedule) (done, error) {
	return done{text: "Paused: runs that fall due meanwhile are skipped."}, s.recorded(ctx, by, "pause", one, func(ctx context.Context) error {
		_, err := scheduledb.Pause(ctx, s.cfg.DB, one.ID, "")
		return err
	})
}

func (s *Server) resumeSchedule(ctx context.Context, by usecase.Actor, one scheduledb.Schedule) (done, error) {
	return done{text: "Resumed."}, s.recorded(ctx, by, "resume", one, func(ctx context.Context) error {
		next, err := schedule.Next(ctx, s.cfg.DB, one)
		if err == nil {
			_, err = scheduledb.Resume(ctx, s.cfg.DB, one.ID, next)
		}
		return err
	})
}

func (s *Server) removeSchedule(ctx context.Context, by usecase.Actor, one scheduledb.Schedule) (done, error) {
	err := s.recorded(ctx, by, "remove", one, func(ctx context.Context) error { return scheduledb.Remove(ctx, s.cfg.DB, one.ID) })
	if err != nil {
		return done{}, err
	}
	return done{text: "Schedule " + one.Name + " is removed.", next: "/schedules"}, nil
}
