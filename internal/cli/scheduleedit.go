package cli

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relabel/internal/schedule/scheduledb"
)

func (a *app) scheduleEditCommand() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "edit NAME [SOURCE]",
		Short: "Change a schedule's settings",
		Long: `Changes the settings that are given; an empty value removes one (--max-change '').
A run that has begun keeps its old settings.

` + scheduleSourceHelp,
		Example:           "  relabel schedule edit nightly --cron '30 3 * * *'\n  relabel schedule edit nightly /data/names-2027.csv",
		ValidArgsFunction: a.completeScheduleAndCSV,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				f.source = args[1]
			}
			if len(args) < 1 || len(args) > 2 || f.forms() > 1 {
				return usageError("`%s` takes a NAME and at most one SOURCE; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.scheduleEdit(ctx, s, args[0], &f, cmd.Flags())
			})
		},
	}
	f.register(cmd.Flags())
	completeFlag(cmd, "rule", a.completeRule())
	f.texts.complete(cmd)
	return cmd
}

func (a *app) scheduleEdit(ctx context.Context, s *session, name string, f *scheduleFlags, fs *pflag.FlagSet) error {
	before, err := scheduledb.ByName(ctx, s.DB, name)
	if err != nil {
		return err
	}
	sched := before
	if err := f.set(fs, &sched, false); err != nil {
		return err
	}
	if err := a.sources().Save(ctx, a.use(s), actor(), before, sched); err != nil {
		return err
	}
	if f.forms() > 0 {
		a.noteFile(sched)
	}
	return a.printSchedule(ctx, s, name, "schedule "+name+" is changed")
}
