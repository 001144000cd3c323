package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/report"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

func (a *app) scheduleRunCommand() *cobra.Command {
	cmd := a.onSchedule("run", "Start a run of a schedule now", a.scheduleRun)
	cmd.Long = `Starts a run now; its regular times stay the same. A worker (relabel work) runs it.`
	return cmd
}

func (a *app) scheduleRun(ctx context.Context, s *session, sched scheduledb.Schedule) error {
	var run scheduledb.Run
	err := a.auditedSchedule(ctx, s, "run", sched.Name, func(ctx context.Context) (err error) {
		run, err = scheduledb.RunNow(ctx, s.DB, sched.ID)
		return err
	})
	if err != nil {
		return err
	}
	if run.Status == scheduledb.RunSkipped {
		return fmt.Errorf("run %d is skipped: %s; `relabel schedule history %s` shows it", run.Run, text.Deref(run.Note), sched.Name)
	}
	if a.json {
		return a.result.print(schedule.NewRunView(run))
	}
	state := "is queued"
	if run.Status == scheduledb.RunWaiting {
		state = "waits: " + text.Deref(run.Note)
	}
	fmt.Fprintf(a.Out, "run %d of %s %s\n", run.Run, sched.Name, state)
	worked, err := s.IsWorked(ctx, sched.Site)
	if err != nil {
		return err
	}
	next := "a worker will run it"
	if !worked {
		next = "it waits for a worker: start `relabel work" + report.SiteFlag(sched.Site) + "`"
	}
	a.note("%s; `relabel schedule show %s` shows its progress", next, sched.Name)
	return nil
}
