package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/db"
)

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Have a site follow a source by itself, every night",
		Long: `A schedule reads a source when it is due, compares it with what the site holds, and sends
what differs, as a batch of its own behind what people load by hand. relabel work runs the
schedules of its sites: keep one running. Whatever is due runs exactly once, however many of
them there are, and a run that is killed goes on where it was.

With --notify somebody is told when what comes of it changes: failed, recovered, held, parked,
missed, trouble (some rows did not succeed).`,
		Example: `  relabel schedule add nightly names.csv --cron "0 2 * * *" --tz Europe/Berlin
  relabel schedule list
  relabel schedule history nightly --json`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(
		a.scheduleAddCommand(), a.scheduleListCommand(), a.scheduleShowCommand(), a.scheduleRunCommand(),
		a.schedulePauseCommand(), a.scheduleResumeCommand(), a.scheduleHistoryCommand(), a.scheduleEditCommand(),
		a.scheduleRemoveCommand(),
	)
	return cmd
}

// scheduleArg takes the name of a schedule.
func scheduleArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("`%s` takes one NAME, of a schedule; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// onSchedule is a command that takes one schedule.
func (a *app) onSchedule(use, short string, run func(context.Context, *session, db.Schedule) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: scheduleArg, ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				sched, err := s.ScheduleByName(ctx, args[0])
				if err != nil {
					return err
				}
				return run(ctx, s, sched)
			})
		},
	}
}

func (a *app) scheduleRunCommand() *cobra.Command {
	cmd := a.onSchedule("run", "Run it now", a.scheduleRun)
	cmd.Long = `Starts a run now, whatever the time; when it is due next stays as it is. The work is done by
a running relabel work.`
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
	if run.Status == "skipped" {
		return fmt.Errorf("run %d is skipped: %s; `relabel schedule history %s` shows it", run.Run, text.Deref(run.Note), sched.Name)
	}
	if a.json {
		return a.result.print(run)
	}
	state := "begins"
	if run.Status == "waiting" {
		state = text.Deref(run.Note)
	}
	fmt.Fprintf(a.Out, "run %d of %s %s\n", run.Run, sched.Name, state)
	a.note("a running `relabel work%s` does it; `relabel schedule show %s` tells how far it is", report.SiteFlag(sched.Site), sched.Name)
	return nil
}

func (a *app) schedulePauseCommand() *cobra.Command {
	var note string
	cmd := a.onSchedule("pause", "Start no more runs until it is resumed", func(ctx context.Context, s *session, sched db.Schedule) error {
		err := a.auditedSchedule(ctx, s, "pause", sched.Name, func(ctx context.Context) error {
			_, err := s.PauseSchedule(ctx, sched.ID, schedule.CleanLine(note))
			return err
		})
		if err != nil {
			return err
		}
		return a.printSchedule(ctx, s, sched.Name, fmt.Sprintf("%s is paused; what is due meanwhile is left out", sched.Name))
	})
	cmd.Flags().StringVar(&note, "note", "", "`TEXT` that says why, for others")
	return cmd
}

func (a *app) scheduleResumeCommand() *cobra.Command {
	return a.onSchedule("resume", "Go on with a paused schedule, from its next time on", func(ctx context.Context, s *session, sched db.Schedule) error {
		next, err := nextTimes(ctx, s, sched, 1)
		if err != nil {
			return err
		}
		err = a.auditedSchedule(ctx, s, "resume", sched.Name, func(ctx context.Context) error {
			_, err := s.ResumeSchedule(ctx, sched.ID, next[0])
			return err
		})
		if err != nil {
			return err
		}
		return a.printSchedule(ctx, s, sched.Name, fmt.Sprintf("%s goes on", sched.Name))
	})
}

func (a *app) scheduleRemoveCommand() *cobra.Command {
	cmd := a.onSchedule("remove", "Remove it and its history", func(ctx context.Context, s *session, sched db.Schedule) error {
		err := a.auditedSchedule(ctx, s, "remove", sched.Name, func(ctx context.Context) error { return s.RemoveSchedule(ctx, sched.ID) })
		if err != nil {
			return err
		}
		if a.json {
			return a.result.print(map[string]string{"removed": sched.Name})
		}
		a.note("%s is removed", sched.Name)
		return nil
	})
	cmd.Long = `Removes a schedule and the history of its runs. The batches of its runs stay, and what is
being sent goes on (relabel batch cancel ends that); plans that wait to be applied are discarded.`
	return cmd
}

// auditedSchedule changes a schedule, with its row in the log.
func (a *app) auditedSchedule(ctx context.Context, s *session, action, schedule string, act func(context.Context) error) error {
	return a.audited(ctx, s, db.AuditEntry{Action: action, Subject: "schedule " + schedule}, func(ctx context.Context) (int64, error) {
		return -1, act(ctx)
	})
}
