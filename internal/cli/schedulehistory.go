package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

func (a *app) scheduleHistoryCommand() *cobra.Command {
	var limit int
	cmd := a.onSchedule("history", "Show a schedule's runs, the newest first; with --json also its notices", func(ctx context.Context, s *session, sched scheduledb.Schedule) error {
		if limit < 1 {
			return usageError("--limit is 1 or more, not %d", limit)
		}
		history, err := schedule.ReadHistory(ctx, s.DB, sched, limit)
		switch {
		case err != nil:
			return err
		case a.json:
			return a.result.print(history)
		}
		a.printRuns(history.Runs)
		return nil
	})
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` runs")
	return cmd
}

func (a *app) printRuns(runs []schedule.RunView) {
	if len(runs) == 0 {
		return
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "RUN", Need: 1, Right: true},
		{Name: "DUE", Need: 2},
		{Name: "BATCH", Need: 5, Right: true},
		{Name: "RESULT", Need: 3},
		{Name: "CALLS", Need: 6, Right: true},
		{Name: "TOOK", Need: 7, Right: true},
		{Name: "WHY", Text: true},
	}}
	for _, r := range runs {
		batch, took := "-", "-"
		if r.Batch != nil {
			batch = fmt.Sprint(*r.Batch)
		}
		if r.StartedAt != nil {
			took = text.Span(r.Duration())
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprint(r.Run), text.Clock(r.DueAt, r.Now), batch, schedule.RunText(r.ScheduledRun), text.Number(r.Calls()), took, text.Line(why(r.ScheduledRun)),
		})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
}

func why(r scheduledb.Run) string {
	var parts []string
	for _, t := range []*string{r.Error, r.Note} {
		if t != nil {
			parts = append(parts, *t)
		}
	}
	return strings.Join(parts, "; ")
}
