package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"relabel/internal/records"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

type schedulesQuery struct {
	Site string `query:"site" maxLength:"100" doc:"only schedules of this site"`
}

// ScheduleInput names a schedule.
type ScheduleInput struct {
	Schedule string `path:"schedule" maxLength:"200"`
}

type historyQuery struct {
	ScheduleInput
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

func (s *Server) registerSchedules() {
	const path = Prefix + "/schedules"
	register(s, huma.Operation{
		OperationID: "list-schedules", Method: http.MethodGet, Path: path, Summary: "List the schedules, their next times and last runs",
	}, s.schedules)
	register(s, huma.Operation{
		OperationID: "show-schedule", Method: http.MethodGet, Path: path + "/{schedule}", Summary: "Show a schedule",
	}, s.showSchedule)
	register(s, huma.Operation{
		OperationID: "list-runs", Method: http.MethodGet, Path: path + "/{schedule}/runs", Summary: "List the runs of a schedule and its notices, the newest first",
	}, s.history)
	register(s, huma.Operation{
		OperationID: "run-schedule", Method: http.MethodPost, Path: path + "/{schedule}/run", Summary: "Start a run now; a worker runs it",
		Description: "If the schedule may not run now, the answer is 409 and says why.",
	}, s.runSchedule)
}

func (s *Server) schedules(ctx context.Context, in *schedulesQuery) (*ok[schedule.Views], error) {
	site, err := s.listedSite(ctx, in.Site)
	if err != nil {
		return nil, err
	}
	list, err := schedule.ReadViews(ctx, s.cfg.DB, site)
	return &ok[schedule.Views]{list}, err
}

// scheduleNamed finds a schedule of a site that the caller may see.
func (s *Server) scheduleNamed(ctx context.Context, name string) (scheduledb.Schedule, error) {
	sched, err := scheduledb.ByName(ctx, s.cfg.DB, name)
	if t := callerOf(ctx); err == nil && t.Site != nil && *t.Site != sched.Site {
		return sched, fmt.Errorf("%w: %s", scheduledb.ErrNoSchedule, name)
	}
	return sched, err
}

func (s *Server) showSchedule(ctx context.Context, in *ScheduleInput) (*ok[schedule.View], error) {
	sched, err := s.scheduleNamed(ctx, in.Schedule)
	if err != nil {
		return nil, err
	}
	v, err := schedule.ReadView(ctx, s.cfg.DB, sched)
	return &ok[schedule.View]{v}, err
}

func (s *Server) history(ctx context.Context, in *historyQuery) (*ok[schedule.History], error) {
	sched, err := s.scheduleNamed(ctx, in.Schedule)
	if err != nil {
		return nil, err
	}
	h, err := schedule.ReadHistory(ctx, s.cfg.DB, sched, in.Limit)
	return &ok[schedule.History]{h}, err
}

func (s *Server) runSchedule(ctx context.Context, in *ScheduleInput) (*ok[schedule.RunView], error) {
	sched, err := s.scheduleNamed(ctx, in.Schedule)
	if err != nil {
		return nil, err
	}
	var run scheduledb.Run
	e := records.AuditEntry{Action: "run", Subject: "schedule " + sched.Name}
	err = s.cfg.Use.Record(ctx, actor(ctx), e, func(ctx context.Context) (_ int64, err error) {
		run, err = scheduledb.RunNow(ctx, s.cfg.DB, sched.ID)
		return -1, err
	})
	if err == nil && run.Status == scheduledb.RunSkipped {
		err = newProblem(http.StatusConflict, fmt.Sprintf("run %d is skipped: %s", run.Run, text.Deref(run.Note)))
	}
	return &ok[schedule.RunView]{schedule.NewRunView(run)}, err
}
