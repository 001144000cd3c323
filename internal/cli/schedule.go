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

// auditedSchedule changes a schedule, with its row in the log.
func (a *app) auditedSchedule(ctx context.Context, s *session, action, schedule string, act func(context.Context) error) error {
	return a.audited(ctx, s, db.AuditEntry{Action: action, Subject: "schedule " + schedule}, func(ctx context.Context) (int64, error) {
		return -1, act(ctx)
	})
}
