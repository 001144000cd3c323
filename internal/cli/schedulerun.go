package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/report"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

func (a *app) scheduleRunCommand() *cobra.Command {
	cmd := a.onSchedule("run", "Run it now", a.scheduleRun)
	cmd.Long = `Starts a run now; its regular times stay the same. A running relabel work does the work.`
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
		return a.result.print(run)
	}
	state := "begins"
	if run.Status == scheduledb.RunWaiting {
		state = text.Deref(run.Note)
	}
	fmt.Fprintf(a.Out, "run %d of %s %s\n", run.Run, sched.Name, state)
	a.note("a running `relabel work%s` does it; `relabel schedule show %s` shows its progress", report.SiteFlag(sched.Site), sched.Name)
	return nil
}
