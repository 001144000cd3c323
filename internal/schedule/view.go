package schedule

import (
	"cmp"
	"context"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/notice"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// shownTimes is how many of the next times are shown.
const shownTimes = 3

// View is a schedule as commands print it and the API answers with it. Of the notify URL
// it has only the host, because the rest may be secret.
type View struct {
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
	Last        *RunView    `json:"last"`

	Now time.Time `json:"-"`
}

// Views is a list of schedules.
type Views struct {
	Schedules []View `json:"schedules"`
}

// History is the runs of a schedule and its notices, the newest first.
type History struct {
	Schedule string        `json:"schedule"`
	State    string        `json:"state"`
	Runs     []RunView     `json:"runs"`
	Notices  []notice.Sent `json:"notices"`
}

// RunView is a run of a schedule with derived values, and with the names that the rows of
// batches have.
type RunView struct {
	ScheduledRun
	Succeeded int64   `json:"succeeded"` // renamed is its older name
	Conflict  int64   `json:"conflict"`  // conflicts is its older name
	CallsUsed int64   `json:"calls"`
	Seconds   float64 `json:"duration_seconds"`
}

// ScheduledRun is a name that does not hide the field Run, the number.
type ScheduledRun = scheduledb.Run

// NewRunView shows a run.
func NewRunView(r scheduledb.Run) RunView {
	return RunView{r, r.Renamed, r.Conflicts, r.Calls(), r.Duration().Seconds()}
}

// RunViews shows runs.
func RunViews(runs []scheduledb.Run) []RunView {
	out := make([]RunView, len(runs))
	for i, r := range runs {
		out[i] = NewRunView(r)
	}
	return out
}

// ReadView reads what is shown of a schedule.
func ReadView(ctx context.Context, d *db.DB, sched scheduledb.Schedule) (View, error) {
	now, err := d.Now(ctx)
	if err != nil {
		return View{}, err
	}
	last, err := scheduledb.LastRun(ctx, d, sched.ID)
	if err != nil {
		return View{}, err
	}
	v := View{
		Schedule: sched.Name, Name: sched.Name, Site: sched.Site, Cron: sched.Cron, TimeZone: sched.TimeZone, Source: ShownSource(sched),
		Map: sched.ColumnMap, Sheet: sched.Sheet, Ambiguous: sched.Ambiguous, Empty: cmp.Or(text.Deref(sched.EmptyMarker), intake.EmptyMarker), LocaleNames: sched.LocaleNames, SkipInvalid: sched.SkipInvalid, Locales: append([]string{}, sched.Locales...), Mode: sched.Mode,
		Overlap: sched.Overlap, CatchUp: sched.CatchUp.Seconds(), MaxChange: sched.MaxChange, State: sched.State,
		PausedAt: sched.PausedAt, PausedNote: sched.PausedNote, Next: []time.Time{}, Now: now,
	}
	if last != nil {
		run := NewRunView(*last)
		v.Last = &run
	}
	if sched.SourceEnv != nil {
		from := "$" + *sched.SourceEnv
		v.SourceFrom = &from
	} else {
		v.SourceFrom = sched.SourceURL
	}
	if sched.NotifyURL != nil {
		host := notice.Shown(*sched.NotifyURL)
		v.Notify = &host
	}
	return v, v.times(sched)
}

// times finds when the schedule is due next.
func (v *View) times(sched scheduledb.Schedule) error {
	times, err := ParseTimes(sched.Cron, sched.TimeZone)
	if err != nil || sched.NextRunAt == nil {
		return err
	}
	v.Next = append(v.Next, sched.NextRunAt.Local())
	for _, at := range times.NextN(*sched.NextRunAt, shownTimes-1) {
		v.Next = append(v.Next, at.Local())
	}
	return nil
}

// ReadViews reads the schedules of a site, or of all if site is empty.
func ReadViews(ctx context.Context, d *db.DB, site string) (Views, error) {
	list, err := scheduledb.List(ctx, d, site)
	if err != nil {
		return Views{}, err
	}
	out := Views{Schedules: make([]View, len(list))}
	for i, sched := range list {
		if out.Schedules[i], err = ReadView(ctx, d, sched); err != nil {
			return Views{}, err
		}
	}
	return out, nil
}

// ReadHistory reads the last runs and notices of a schedule.
func ReadHistory(ctx context.Context, d *db.DB, sched scheduledb.Schedule, limit int) (History, error) {
	runs, err := scheduledb.Runs(ctx, d, sched.ID, limit)
	if err != nil {
		return History{}, err
	}
	notices, err := notice.OfSchedule(ctx, d, sched.ID, limit)
	return History{sched.Name, sched.State, RunViews(runs), notices}, err
}
