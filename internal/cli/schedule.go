package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
)

func (a *app) scheduleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Make a site follow a source automatically, such as every night",
		Long: `When a schedule is due, it reads its source, compares it with the site, and sends what differs,
as a batch of its own after the batches that people load. relabel work runs the schedules of its
sites: keep one running. Each run starts exactly once, however many workers there are. If its
process dies, another resumes it.

With --notify it sends a notice when its state changes: failed, recovered, held, parked, missed,
trouble (some rows did not succeed).`,
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
		return usageError("`%s` takes the NAME of one schedule; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// onSchedule makes a command that takes the name of one schedule.
func (a *app) onSchedule(use, short string, run func(context.Context, *session, scheduledb.Schedule) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: scheduleArg, ValidArgsFunction: a.completeSchedule(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				sched, err := scheduledb.ByName(ctx, s.DB, args[0])
				if err != nil {
					return err
				}
				return run(ctx, s, sched)
			})
		},
	}
}

// auditedSchedule changes a schedule and records that in the audit log.
func (a *app) auditedSchedule(ctx context.Context, s *session, action, schedule string, act func(context.Context) error) error {
	return a.audited(ctx, s, records.AuditEntry{Action: action, Subject: "schedule " + schedule}, func(ctx context.Context) (int64, error) {
		return -1, act(ctx)
	})
}
