package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

func nextText(v schedule.View) string {
	if v.PausedAt != nil {
		return "paused"
	}
	var parts []string
	for _, at := range v.Next {
		parts = append(parts, text.Clock(at, v.Now))
	}
	return strings.Join(parts, ", ")
}

func scheduleStateText(v schedule.View) string {
	if v.PausedAt != nil && v.PausedNote != nil {
		return v.State + ", paused: " + text.Cut(*v.PausedNote, 40)
	}
	return v.State
}

func lastText(v schedule.View) string {
	if v.Last == nil {
		return "never ran"
	}
	return text.Clock(v.Last.DueAt, v.Now) + ": " + schedule.RunText(v.Last.ScheduledRun)
}

// printSchedule prints a schedule after a command has changed it.
func (a *app) printSchedule(ctx context.Context, s *session, name, done string) error {
	sched, err := scheduledb.ByName(ctx, s.DB, name)
	if err != nil {
		return err
	}
	v, err := schedule.ReadView(ctx, s.DB, sched)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(v)
	}
	a.note("%s", done)
	if !a.quiet {
		printNext(a.Out, v)
	}
	return nil
}

func printNext(w io.Writer, v schedule.View) {
	if len(v.Next) == 0 {
		return
	}
	fmt.Fprintln(w, "next times, in this machine's zone:")
	for _, at := range v.Next {
		fmt.Fprintf(w, "  %s (in %s)\n", at.Format("Mon 2 Jan 2006 15:04:05 MST"), text.Span(max(at.Sub(v.Now), 0)))
	}
}
