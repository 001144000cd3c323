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

// shownRuns is how many runs a schedule's page shows.
const shownRuns = 50

// lastRuns is how many runs are searched for the last real result.
const lastRuns = 10

// scheduleFigures is a schedule with its last run.
type scheduleFigures struct {
	scheduledb.Schedule
	Source string
	Last   *scheduledb.Run
	Real   *scheduledb.Run // the newest that was neither skipped nor missed, if Last was
	Now    time.Time
}

// setRuns takes the newest runs, the newest first.
func (s *scheduleFigures) setRuns(runs []scheduledb.Run) {
	if len(runs) == 0 {
		return
	}
	s.Last = &runs[0]
	for i, run := range runs {
		if run.Status != scheduledb.RunSkipped && run.Status != scheduledb.RunMissed {
			if i > 0 {
				s.Real = &runs[i]
			}
			return
		}
	}
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
	Say  string
}

type historyFigures struct {
	scheduleFigures
	Runs []scheduledb.Run
	Say  string
}

func (s *Server) schedulesPage(w http.ResponseWriter, r *http.Request) {
	p, err := s.schedules(r.Context())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "schedules", p)
}

func (s *Server) schedules(ctx context.Context) (page, error) {
	list, err := s.readSchedules(ctx)
	if err != nil {
		return page{}, err
	}
	return page{Title: "Schedules", Nav: "schedules", Topic: "schedules", Figures: schedulesFigures{List: list}}, nil
}

func (s *Server) readSchedules(ctx context.Context) ([]scheduleFigures, error) {
	list, err := scheduledb.List(ctx, s.cfg.DB, "")
	if err != nil {
		return nil, err
	}
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]scheduleFigures, len(list))
	for i, one := range list {
		out[i] = scheduleFigures{Schedule: one, Source: schedule.ShownSource(one), Now: now}
		runs, err := scheduledb.Runs(ctx, s.cfg.DB, one.ID, lastRuns)
		if err != nil {
			return nil, err
		}
		out[i].setRuns(runs)
	}
	return out, nil
}

func (s *Server) schedulePage(w http.ResponseWriter, r *http.Request) {
	p, err := s.history(r.Context(), r.PathValue("name"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "schedule", p)
}

func (s *Server) history(ctx context.Context, name string) (page, error) {
	one, err := scheduledb.ByName(ctx, s.cfg.DB, name)
	if err != nil {
		return page{}, err
	}
	f := historyFigures{scheduleFigures: scheduleFigures{Schedule: one, Source: schedule.ShownSource(one)}}
	if f.Now, err = s.cfg.DB.Now(ctx); err != nil {
		return page{}, err
	}
	if f.Runs, err = scheduledb.Runs(ctx, s.cfg.DB, one.ID, shownRuns); err != nil {
		return page{}, err
	}
	return page{Title: "Schedule " + one.Name, Nav: "schedules", Topic: "schedule/" + one.Name, Figures: f}, nil
}

func (s *Server) changeSchedule(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("action")
	act := map[string]func(context.Context, scheduledb.Schedule) (string, error){
		"run": s.runSchedule, "pause": s.pauseSchedule, "resume": s.resumeSchedule,
	}[name]
	if act == nil {
		s.notFound(w, r)
		return
	}
	one, err := scheduledb.ByName(r.Context(), s.cfg.DB, r.PathValue("name"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.act(w, r, name+" schedule "+one.Name, "/schedule/"+one.Name, func(ctx context.Context, by usecase.Actor) (out done, err error) {
		err = s.use.Record(ctx, by, records.AuditEntry{Action: name, Subject: "schedule " + one.Name}, func(ctx context.Context) (int64, error) {
			out.text, err = act(ctx, one)
			return -1, err
		})
		return out, err
	})
}

func (s *Server) runSchedule(ctx context.Context, one scheduledb.Schedule) (string, error) {
	run, err := scheduledb.RunNow(ctx, s.cfg.DB, one.ID)
	switch {
	case err != nil:
		return "", err
	case run.Status == scheduledb.RunSkipped:
		return "", fmt.Errorf("run %d is skipped: %s", run.Run, text.Deref(run.Note))
	case run.Note != nil:
		return fmt.Sprintf("Run %d %s.", run.Run, *run.Note), nil
	}
	return fmt.Sprintf("Run %d is queued; a worker starts it.", run.Run), nil
}

func (s *Server) pauseSchedule(ctx context.Context, one scheduledb.Schedule) (string, error) {
	_, err := scheduledb.Pause(ctx, s.cfg.DB, one.ID, "")
	return "Paused: runs that fall due meanwhile are skipped.", err
}

func (s *Server) resumeSchedule(ctx context.Context, one scheduledb.Schedule) (string, error) {
	times, err := schedule.ParseTimes(one.Cron, one.TimeZone)
	if err != nil {
		return "", err
	}
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return "", err
	}
	next := times.Next(now)
	if next.IsZero() {
		return "", fmt.Errorf("%q is never due again", one.Cron)
	}
	_, err = scheduledb.Resume(ctx, s.cfg.DB, one.ID, next)
	return "Resumed.", err
}
