package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
)

func (a *app) scheduleRunCommand() *cobra.Command {
	cmd := a.onSchedule("run", "Run it now", a.scheduleRun)
	cmd.Long = `Starts a run now; its regular times stay the same. A running relabel work does the work.`
	return cmd
}

func (a *app) scheduleRun(ctx context.Context, s *session, sched db.Schedule) error {
	var run db.ScheduleRun
	err := a.auditedSchedule(ctx, s, "run", sched.Name, func(ctx context.Context) (err error) {
		run, err = s.RunNow(ctx, sched.ID)
		return err
	})
	if err != nil {
		return err
	}
	if run.Status == db.RunSkipped {
		return fmt.Errorf("run %d is skipped: %s; `relabel schedule history %s` shows it", run.Run, text.Deref(run.Note), sched.Name)
	}
	if a.json {
		return a.result.print(run)
	}
	state := "begins"
	if run.Status == db.RunWaiting {
		state = text.Deref(run.Note)
	}
	fmt.Fprintf(a.Out, "run %d of %s %s\n", run.Run, sched.Name, state)
	a.note("a running `relabel work%s` does it; `relabel schedule show %s` shows its progress", report.SiteFlag(sched.Site), sched.Name)
	return nil
}
