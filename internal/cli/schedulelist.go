package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/internal/schedule"
	"relabel/internal/terminal"
)

func (a *app) scheduleListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all schedules, their next times (in this machine's zone) and their last runs",
		Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withSession(cmd.Context(), a.scheduleList) },
	}
}

func (a *app) scheduleList(ctx context.Context, s *session) error {
	list, err := schedule.ReadViews(ctx, s.DB, "")
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(list)
	}
	views := list.Schedules
	if len(views) == 0 {
		a.note("no schedules; `relabel schedule add NAME SOURCE --cron @daily` makes one")
		return nil
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "SCHEDULE", Need: 1},
		{Name: "STATE", Need: 2},
		{Name: "SITE", Need: 6},
		{Name: "WHEN", Need: 4},
		{Name: "NEXT THREE", Need: 5},
		{Name: "LAST RUN", Text: true},
	}}
	for _, v := range views {
		t.Rows = append(t.Rows, []string{v.Name, scheduleStateText(v), v.Site, v.Cron + " (" + v.TimeZone + ")", nextText(v), lastText(v)})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}
