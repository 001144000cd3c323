package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relabel/internal/intake"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

func (a *app) scheduleShowCommand() *cobra.Command {
	return a.onSchedule("show", "Show a schedule's settings, next times and last runs", func(ctx context.Context, s *session, sched scheduledb.Schedule) error {
		v, err := schedule.ReadView(ctx, s.DB, sched)
		if err != nil {
			return err
		}
		list, err := scheduledb.Runs(ctx, s.DB, sched.ID, 5)
		if err != nil {
			return err
		}
		runs := schedule.RunViews(list)
		if a.json {
			return a.result.print(scheduleShowJSON{v, runs})
		}
		printScheduleView(a.Out, v)
		if len(runs) > 0 {
			fmt.Fprintln(a.Out)
		}
		a.printRuns(runs)
		return nil
	})
}

func printScheduleView(w io.Writer, v schedule.View) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	line("schedule", v.Name+" for site "+v.Site)
	line("state", scheduleStateText(v))
	line("when", v.Cron+" in "+v.TimeZone)
	source := v.Source
	if v.SourceFrom != nil {
		source += " from " + *v.SourceFrom
	}
	line("source", source)
	line("sheet", text.Deref(v.Sheet))
	line("columns", text.Deref(v.Map))
	line("same names", map[string]string{usecase.AmbiguousAll: "all assets of a name are renamed", usecase.AmbiguousSkip: "such rows stay invalid"}[v.Ambiguous])
	line("locales", strings.Join(v.Locales, ", "))
	if v.LocaleNames != usecase.KeepLocaleNames {
		line("their names", map[string]string{usecase.DropLocaleNames: "dropped", usecase.RefuseLocaleNames: "refused"}[v.LocaleNames])
	}
	if v.Empty != intake.EmptyMarker {
		line("emptied by", v.Empty)
	}
	line("sends", map[string]string{"changed": "what differs", "all": "every row"}[v.Mode])
	line("most changes", text.Deref(v.MaxChange))
	line("overlap", v.Overlap)
	line("catch up", "within "+text.Span(time.Duration(v.CatchUp*float64(time.Second))))
	line("notifies", text.Deref(v.Notify))
	if v.PausedAt != nil {
		line("paused", text.Clock(*v.PausedAt, v.Now))
	}
	_ = t.Flush() // the output keeps its error
	printNext(w, v)
}
