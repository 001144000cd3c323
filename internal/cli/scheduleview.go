package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"relabel/internal/intake"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// shownTimes is how many of the next times are shown.
const shownTimes = 3

// scheduleView is a schedule as commands print it. Of the notify URL it has only the
// host, because the rest may be secret.
type scheduleView struct {
	Schedule    string      `json:"schedule"`
	Name        string      `json:"name"` // the older name of schedule
	Site        string      `json:"site"`
	Cron        string      `json:"cron"`
	TimeZone    string      `json:"time_zone"`
	Source      string      `json:"source"`
	SourceFrom  *string     `json:"source_from"` // the database of a query
	Map         *string     `json:"map"`
	Sheet       *string     `json:"sheet"`
	Ambiguous   string      `json:"ambiguous"`
	Empty       string      `json:"empty"`
	LocaleNames string      `json:"names_in_locales"`
	SkipInvalid bool        `json:"skip_invalid"`
	Locales     []string    `json:"locales"`
	Mode        string      `json:"mode"`
	Overlap     string      `json:"overlap"`
	CatchUp     float64     `json:"catch_up_seconds"`
	MaxChange   *string     `json:"max_change"`
	Notify      *string     `json:"notify"`
	State       string      `json:"state"`
	PausedAt    *time.Time  `json:"paused_at"`
	PausedNote  *string     `json:"paused_note"`
	Next        []time.Time `json:"next"`
	Last        *runView    `json:"last"`

	now time.Time
}

func (s *session) scheduleView(ctx context.Context, sched scheduledb.Schedule) (scheduleView, error) {
	now, err := s.Now(ctx)
	if err != nil {
		return scheduleView{}, err
	}
	last, err := scheduledb.LastRun(ctx, s.DB, sched.ID)
	if err != nil {
		return scheduleView{}, err
	}
	v := scheduleView{
		Schedule: sched.Name, Name: sched.Name, Site: sched.Site, Cron: sched.Cron, TimeZone: sched.TimeZone, Source: schedule.ShownSource(sched),
		Map: sched.ColumnMap, Sheet: sched.Sheet, Ambiguous: sched.Ambiguous, Empty: cmp.Or(text.Deref(sched.EmptyMarker), intake.EmptyMarker), LocaleNames: sched.LocaleNames, SkipInvalid: sched.SkipInvalid, Locales: append([]string{}, sched.Locales...), Mode: sched.Mode,
		Overlap: sched.Overlap, CatchUp: sched.CatchUp.Seconds(), MaxChange: sched.MaxChange, State: sched.State,
		PausedAt: sched.PausedAt, PausedNote: sched.PausedNote, Next: []time.Time{}, now: now,
	}
	if last != nil {
		run := newRunView(*last)
		v.Last = &run
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
	return text.Clock(v.Last.DueAt, v.now) + ": " + schedule.RunText(v.Last.scheduledRun)
}

// printSchedule prints a schedule after a command has changed it.
func (a *app) printSchedule(ctx context.Context, s *session, name, done string) error {
	sched, err := scheduledb.ByName(ctx, s.DB, name)
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
