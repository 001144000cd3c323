package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"relabel/internal/outward"
	"relabel/internal/schedule/scheduledb"
)

func (a *app) scheduleAddCommand() *cobra.Command {
	var f scheduleFlags
	cmd := &cobra.Command{
		Use:   "add NAME SOURCE",
		Short: "Make a schedule",
		Long:  "Makes a schedule for the site that --site names.\n\n" + scheduleSourceHelp,
		Example: `  relabel schedule add nightly /data/names.csv --cron "0 2 * * *" --tz Europe/Berlin --max-change 20%
  relabel schedule add sheet https://docs.google.com/spreadsheets/d/e/KEY/pub?output=csv --cron @hourly
  relabel schedule add wanted --sql 'SELECT asset_id, display_name, locale FROM wanted' --cron @daily \
      --locales fr-FR,es-MX --notify https://hooks.slack.com/services/...
  relabel schedule add tidy --rule tidy --cron @daily --max-change 200`,
		ValidArgsFunction: completeNothing,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				f.source = args[1]
			}
			if len(args) < 1 || len(args) > 2 || f.forms() != 1 {
				return usageError("`%s` takes a NAME and one SOURCE (a CSV file, an https URL, --sql, --sql-file, --exec, --exec-shell or --rule); see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			sched := scheduledb.Schedule{Name: args[0]}
			if err := f.set(cmd.Flags(), &sched, true); err != nil {
				return err
			}
			if err := a.sources().Check(scheduledb.Schedule{}, sched); err != nil { // before the database is opened
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.scheduleAdd(ctx, s, sched) })
		},
	}
	f.register(cmd.Flags())
	completeFlag(cmd, "rule", a.completeRule())
	f.texts.complete(cmd)
	return cmd
}

func (a *app) scheduleAdd(ctx context.Context, s *session, sched scheduledb.Schedule) error {
	if err := noStandIn(a.site); err != nil {
		return err
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	sched.SiteID = site.ID
	if err := a.sources().Save(ctx, a.use(s), actor(), scheduledb.Schedule{}, sched); err != nil {
		return err
	}
	a.noteFile(sched)
	return a.printSchedule(ctx, s, sched.Name, "schedule "+sched.Name+" is added")
}

// noteFile warns of a path that could not be read here. On the machine of `relabel work`
// the file, its folder and the environment may be others.
func (a *app) noteFile(s scheduledb.Schedule) {
	for _, path := range []*string{s.CSV, s.QueryFile} {
		if path == nil || outward.IsURL(*path) {
			continue
		}
		if err := a.cfg.SourceDirs.Allow(*path); err != nil {
			a.warn("%s", err)
		} else if _, err := os.Stat(*path); err != nil {
			a.warn("%s can't be read here now: at each run it must exist on the machine of `relabel work`", *path)
		}
	}
}
