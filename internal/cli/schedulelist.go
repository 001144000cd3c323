package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/schedule"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// shownTimes is how many of the next times are told.
const shownTimes = 3

// scheduleView is a schedule as it is shown. What may be secret of the notify URL
// is left out.
type scheduleView struct {
	Name        string          `json:"name"`
	Site        string          `json:"site"`
	Cron        string          `json:"cron"`
	TimeZone    string          `json:"time_zone"`
	Source      string          `json:"source"`
	SourceFrom  *string         `json:"source_from"` // the database of a query
	Map         *string         `json:"map"`
	SkipInvalid bool            `json:"skip_invalid"`
	Locales     []string        `json:"locales"`
	Mode        string          `json:"mode"`
	Overlap     string          `json:"overlap"`
	CatchUp     float64         `json:"catch_up_seconds"`
	MaxChange   *string         `json:"max_change"`
	Notify      *string         `json:"notify"`
	State       string          `json:"state"`
	PausedAt    *time.Time      `json:"paused_at"`
	PausedNote  *string         `json:"paused_note"`
	Next        []time.Time     `json:"next"`
	Last        *db.ScheduleRun `json:"last"`

	now time.Time
}

func (s *session) scheduleView(ctx context.Context, sched db.Schedule) (scheduleView, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return scheduleView{}, err
	}
	last, err := s.LastRun(ctx, sched.ID)
	if err != nil {
		return scheduleView{}, err
	}
	v := scheduleView{
		Name: sched.Name, Site: sched.Site, Cron: sched.Cron, TimeZone: sched.TimeZone, Source: schedule.ShownSource(sched),
		Map: sched.ColumnMap, SkipInvalid: sched.SkipInvalid, Locales: append([]string{}, sched.Locales...), Mode: sched.Mode,
		Overlap: sched.Overlap, CatchUp: sched.CatchUp.Seconds(), MaxChange: sched.MaxChange, State: sched.State,
		PausedAt: sched.PausedAt, PausedNote: sched.PausedNote, Next: []time.Time{}, Last: last, now: now,
	}
	if sched.SourceEnv != nil {
		from := "$" + *sched.SourceEnv
		v.SourceFrom = &from
	} else {
		v.SourceFrom = sched.SourceURL
	}
	if sched.NotifyURL != nil {
		host := schedule.ShownHost(*sched.NotifyURL)
		v.Notify = &host
	}
	times, err := schedule.ParseTimes(sched.Cron, sched.TimeZone)
	if err != nil || sched.NextRunAt == nil {
		return v, err
	}
	v.Next = append(v.Next, sched.NextRunAt.Local())
	for _, at := range times.NextN(*sched.NextRunAt, shownTimes-1) {
		v.Next = append(v.Next, at.Local())
	}
	return v, nil
}

func (a *app) scheduleListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "All schedules: when they are due next, in this machine's time, and what came of them",
		Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withSession(cmd.Context(), a.scheduleList) },
	}
}

func (a *app) scheduleList(ctx context.Context, s *session) error {
	list, err := s.Schedules(ctx, "")
	if err != nil {
		return err
	}
	views := make([]scheduleView, len(list))
	for i, sched := range list {
		if views[i], err = s.scheduleView(ctx, sched); err != nil {
			return err
		}
	}
	if a.json {
		return a.result.print(map[string]any{"schedules": views})
	}
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
		t.Rows = append(t.Rows, []string{v.Name, v.stateText(), v.Site, v.Cron + " (" + v.TimeZone + ")", v.nextText(), lastText(v)})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}

func (v scheduleView) nextText() string {
	if v.PausedAt != nil {
		return "paused"
	}
	var parts []string
	for _, at := range v.Next {
		parts = append(parts, text.Clock(at, v.now))
	}
	return strings.Join(parts, ", ")
}

func (v scheduleView) stateText() string {
	if v.PausedAt != nil && v.PausedNote != nil {
		return v.State + ", paused: " + text.Cut(*v.PausedNote, 40)
	}
	return v.State
}

func lastText(v scheduleView) string {
	if v.Last == nil {
		return "never ran"
	}
	return text.Clock(v.Last.DueAt, v.now) + ": " + schedule.RunText(*v.Last)
}

func (a *app) scheduleShowCommand() *cobra.Command {
	return a.onSchedule("show", "Its settings, when it is due, and its last runs", func(ctx context.Context, s *session, sched db.Schedule) error {
		v, err := s.scheduleView(ctx, sched)
		if err != nil {
			return err
		}
		runs, err := s.ScheduleRuns(ctx, sched.ID, 5)
		if err != nil {
			return err
		}
		if a.json {
			return a.result.print(struct {
				scheduleView
				Runs []db.ScheduleRun `json:"runs"`
			}{v, runs})
		}
		printScheduleView(a.Out, v)
		if len(runs) > 0 {
			fmt.Fprintln(a.Out)
		}
		a.printRuns(runs)
		return nil
	})
}

// printSchedule ends a command that changed a schedule.
func (a *app) printSchedule(ctx context.Context, s *session, name, done string) error {
	sched, err := s.ScheduleByName(ctx, name)
	if err != nil {
		return err
	}
	v, err := s.scheduleView(ctx, sched)
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

func printNext(w io.Writer, v scheduleView) {
	if len(v.Next) == 0 {
		return
	}
	fmt.Fprintln(w, "next times, in this machine's zone:")
	for _, at := range v.Next {
		fmt.Fprintf(w, "  %s (in %s)\n", at.Format("Mon 2 Jan 2006 15:04:05 MST"), text.Span(max(at.Sub(v.now), 0)))
	}
}

func printScheduleView(w io.Writer, v scheduleView) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	line("schedule", v.Name+" for site "+v.Site)
	line("state", v.stateText())
	line("when", v.Cron+" in "+v.TimeZone)
	source := v.Source
	if v.SourceFrom != nil {
		source += " from " + *v.SourceFrom
	}
	line("source", source)
	line("columns", text.Deref(v.Map))
	line("locales", strings.Join(v.Locales, ", "))
	line("sends", map[string]string{"changed": "what differs", "all": "every row"}[v.Mode])
	line("most changes", text.Deref(v.MaxChange))
	line("overlap", v.Overlap)
	line("catch up", "within "+text.Span(time.Duration(v.CatchUp*float64(time.Second))))
	line("tells", text.Deref(v.Notify))
	if v.PausedAt != nil {
		line("paused", text.Clock(*v.PausedAt, v.now))
	}
	_ = t.Flush() // the output keeps its error
	printNext(w, v)
}

func (a *app) scheduleHistoryCommand() *cobra.Command {
	var limit int
	cmd := a.onSchedule("history", "Its runs, the newest first, and who was told", func(ctx context.Context, s *session, sched db.Schedule) error {
		if limit < 1 {
			return usageError("--limit is 1 or more, not %d", limit)
		}
		runs, err := s.ScheduleRuns(ctx, sched.ID, limit)
		if err != nil {
			return err
		}
		if !a.json {
			a.printRuns(runs)
			return nil
		}
		notices, err := s.Notices(ctx, sched.ID, limit)
		if err != nil {
			return err
		}
		list := make([]runView, len(runs))
		for i, r := range runs {
			list[i] = runView{r, r.Calls(), r.Duration().Seconds()}
		}
		return a.result.print(map[string]any{"schedule": sched.Name, "state": sched.State, "runs": list, "notices": notices})
	})
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N` runs")
	return cmd
}

// runView is a run with what follows from it.
type runView struct {
	db.ScheduleRun
	CallsUsed int64   `json:"calls"`
	Seconds   float64 `json:"duration_seconds"`
}

func (a *app) printRuns(runs []db.ScheduleRun) {
	if len(runs) == 0 {
		return
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "RUN", Need: 1, Right: true},
		{Name: "DUE", Need: 2},
		{Name: "BATCH", Need: 5, Right: true},
		{Name: "WHAT CAME OF IT", Need: 3},
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
			fmt.Sprint(r.Run), text.Clock(r.DueAt, r.Now), batch, schedule.RunText(r), text.Number(r.Calls()), took, text.Line(why(r)),
		})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
}

func why(r db.ScheduleRun) string {
	var parts []string
	for _, t := range []*string{r.Error, r.Note} {
		if t != nil {
			parts = append(parts, *t)
		}
	}
	return strings.Join(parts, "; ")
}
