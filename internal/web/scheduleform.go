package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"relabel/db"
	"relabel/internal/notice"
	"relabel/internal/outward"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

const (
	timesPath = "/schedules/times"

	// shownTimes is how many of the next times the form shows.
	shownTimes = 3
)

// scheduleForm makes or changes a schedule. What only the worker's environment may
// decide, such as a query and where it runs, is not in it.
type scheduleForm struct {
	Old  *scheduledb.Schedule // nil: a new one
	Name string
	Site string

	Source, Map, Sheet, Ambiguous, Empty, LocaleNames, Cron, Zone, Mode, Locales, Overlap, CatchUp, MaxChange, Notify string
	SkipInvalid, NoNotify                                                                                             bool

	Sites   []db.Site
	Folders []string // of the files that may be named
	Times   timesData
	wrong
}

// wrong is why a form was not accepted.
type wrong struct {
	Problem string
	Setting string // the setting with the problem; empty: none of the form's
}

// timesData says when a cron expression is due.
type timesData struct {
	Words   string
	Next    []time.Time
	Zone    string
	Problem string
}

func newScheduleForm() scheduleForm {
	return scheduleForm{Site: db.DefaultSite, Zone: "UTC", Mode: "changed", LocaleNames: usecase.KeepLocaleNames, Overlap: "skip", CatchUp: schedule.DefaultCatchUp}
}

// formOf fills the form in with a schedule's settings. The addresses of its source and
// of its notices may hold secrets: empty fields keep them.
func formOf(s scheduledb.Schedule) scheduleForm {
	return scheduleForm{
		Old: &s, Name: s.Name, Site: s.Site, Map: text.Deref(s.ColumnMap), Cron: s.Cron, Zone: s.TimeZone, Mode: s.Mode,
		Locales: strings.Join(s.Locales, ", "), Overlap: s.Overlap, CatchUp: shortDuration(s.CatchUp),
		MaxChange: text.Deref(s.MaxChange), SkipInvalid: s.SkipInvalid, Sheet: text.Deref(s.Sheet), Ambiguous: s.Ambiguous, Empty: text.Deref(s.EmptyMarker), LocaleNames: s.LocaleNames,
	}
}

// shortDuration writes 12h0m0s as 12h.
func shortDuration(d time.Duration) string {
	s := d.String()
	for _, zero := range []struct{ after, rest string }{{"m", "0s"}, {"h", "0m"}} {
		if strings.HasSuffix(s, zero.after+zero.rest) {
			s = strings.TrimSuffix(s, zero.rest)
		}
	}
	return s
}

// read takes what a person has typed.
func (f *scheduleForm) read(q url.Values) {
	for name, field := range map[string]*string{
		"source": &f.Source, "map": &f.Map, "cron": &f.Cron, "tz": &f.Zone, "mode": &f.Mode, "locales": &f.Locales, "overlap": &f.Overlap,
		"catch-up": &f.CatchUp, "sheet": &f.Sheet, "ambiguous": &f.Ambiguous, "empty": &f.Empty, "names-in-locales": &f.LocaleNames, "max-change": &f.MaxChange, "notify": &f.Notify,
	} {
		*field = strings.TrimSpace(q.Get(name))
	}
	f.SkipInvalid, f.NoNotify = q.Get("skip-invalid") != "", q.Get("no-notify") != ""
	if f.Old == nil {
		f.Name, f.Site = strings.TrimSpace(q.Get("name")), q.Get("site")
	}
}

// SourceNow is where the rows come from now, without secrets.
func (f *scheduleForm) SourceNow() string {
	if f.Old == nil {
		return ""
	}
	return schedule.ShownSource(*f.Old)
}

// NotifyNow is the host that gets notices now.
func (f *scheduleForm) NotifyNow() string {
	if f.Old == nil || f.Old.NotifyURL == nil {
		return ""
	}
	return notice.Shown(*f.Old.NotifyURL)
}

// IsRule reports whether the schedule runs a saved rule.
func (f *scheduleForm) IsRule() bool { return f.Old != nil && f.Old.Rule != nil }

// IsQuery reports whether the rows come from a query or a command, which only the command
// line may set.
func (f *scheduleForm) IsQuery() bool { return f.Old != nil && f.Old.CSV == nil && f.Old.Rule == nil }

// before is the stored schedule, or the zero one.
func (f *scheduleForm) before() (s scheduledb.Schedule) {
	if f.Old != nil {
		s = *f.Old
	}
	return s
}

// scheduleOf is the stored schedule with the form's settings.
func (s *Server) scheduleOf(ctx context.Context, f *scheduleForm) (one scheduledb.Schedule, err error) {
	one = f.before()
	one.Name, one.Cron, one.TimeZone, one.Mode, one.Overlap, one.SkipInvalid = f.Name, f.Cron, f.Zone, f.Mode, f.Overlap, f.SkipInvalid
	one.ColumnMap, one.MaxChange, one.Locales = text.NilIfEmpty(f.Map), text.NilIfEmpty(f.MaxChange), text.List(f.Locales)
	one.Sheet, one.Ambiguous = text.NilIfEmpty(f.Sheet), f.Ambiguous
	one.EmptyMarker, one.LocaleNames = text.NilIfEmpty(f.Empty), f.LocaleNames
	if one.CatchUp, err = schedule.ParseCatchUp(f.CatchUp); err != nil {
		return one, err
	}
	switch {
	case f.NoNotify:
		one.NotifyURL = nil
	case f.Notify != "":
		one.NotifyURL = &f.Notify
	}
	if f.Source != "" && !f.IsQuery() && !f.IsRule() {
		if err := s.setSource(&one, f.Source); err != nil {
			return one, err
		}
	}
	if f.Old != nil {
		return one, nil
	}
	site, err := s.realSite(ctx, f.Site)
	one.SiteID = site.ID
	return one, err
}

// setSource allows only files that this process could read itself: a person with a login
// is not trusted with the others.
func (s *Server) setSource(one *scheduledb.Schedule, source string) error {
	if err := schedule.SetCSV(one, source); err != nil || outward.IsURL(source) {
		return err
	}
	if err := s.cfg.Schedules.SourceDirs.Allow(*one.CSV); err != nil {
		return usecase.WrongSetting("source", ": %s", err)
	}
	return nil
}

// scheduleForm is the empty form, or that of the schedule in the address.
func (s *Server) scheduleForm(r *http.Request) (scheduleForm, error) {
	name := r.PathValue("name")
	if name == "" {
		return newScheduleForm(), nil
	}
	one, err := scheduledb.ByName(r.Context(), s.cfg.DB, name)
	return formOf(one), err
}

func (s *Server) scheduleFormPage(w http.ResponseWriter, r *http.Request) {
	f, err := s.scheduleForm(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.renderScheduleForm(w, r, http.StatusOK, f)
}

func (s *Server) renderScheduleForm(w http.ResponseWriter, r *http.Request, status int, f scheduleForm) {
	var err error
	if f.Sites, err = s.realSites(r.Context()); err == nil && f.Cron != "" {
		f.Times, err = s.times(r.Context(), f.Cron, f.Zone)
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	f.Folders = s.cfg.Schedules.SourceDirs.Paths
	title := "New schedule"
	if f.Old != nil {
		title = "Edit schedule " + f.Old.Name
	}
	s.render(w, r, status, "scheduleform", page{Title: title, Nav: "schedules", Data: &f})
}

// saveSchedule stores the form, or only says when the schedule would be due.
func (s *Server) saveSchedule(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	f, err := s.scheduleForm(r)
	if err != nil {
		s.failed(w, r, err)
		return
	}
	f.read(r.PostForm)
	if r.PostForm.Has("check") {
		s.renderScheduleForm(w, r, http.StatusOK, f)
		return
	}
	one, err := s.scheduleOf(r.Context(), &f)
	if err == nil {
		err = s.cfg.Schedules.Save(r.Context(), s.use, actor(r), f.before(), one)
	}
	if f.wrong = wrongOf(err); f.Problem != "" {
		s.renderScheduleForm(w, r, http.StatusUnprocessableEntity, f)
		return
	}
	s.saved(w, r, err, "Schedule "+one.Name+" is saved.", schedulePath(one.Name))
}

// saved goes on to a page after a form was stored, or failed to be.
func (s *Server) saved(w http.ResponseWriter, r *http.Request, err error, text, next string) {
	if err != nil {
		s.failed(w, r, err)
		return
	}
	current(r).addFlash(flash{Text: text})
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// wrongOf is the problem of a form that a person can correct.
func wrongOf(err error) wrong {
	if e, ok := errors.AsType[*usecase.SettingError](err); ok {
		return wrong{Problem: e.For(settingLabel(e.Setting)), Setting: e.Setting}
	}
	if errors.Is(err, scheduledb.ErrExists) {
		return wrong{Problem: err.Error(), Setting: "name"}
	}
	return wrong{}
}

// settingLabel is the label of a setting's field.
func settingLabel(setting string) string {
	return map[string]string{
		"name": "Name", "site": "Site", "source": "Source", "map": "Columns", "cron": "When", "mode": "Sends", "overlap": "Earlier run", "catch-up": "Latest start",
		"max-change": "Hold back above", "notify": "Notices", "names-in-locales": "Names in secondary locales", "site-id": "Webflow's site ID", "rate": "Rate limit", "locale-in": "Locale", "keep": "Keep",
	}[setting]
}

// timesInWords answers the form while a person types.
func (s *Server) timesInWords(w http.ResponseWriter, r *http.Request) {
	t, err := s.times(r.Context(), r.FormValue("cron"), r.FormValue("tz"))
	if err != nil {
		s.failed(w, r, err)
		return
	}
	s.renderPart(w, "scheduleform", "times", t)
}

func (s *Server) times(ctx context.Context, cron, zone string) (timesData, error) {
	times, err := schedule.ParseTimes(cron, zone)
	if err != nil {
		return timesData{Problem: err.Error()}, nil //nolint:nilerr // the page shows it
	}
	now, err := s.cfg.DB.Now(ctx)
	if err != nil {
		return timesData{}, err
	}
	loc, err := schedule.ParseZone(zone)
	out := timesData{Words: schedule.InWords(cron, zone), Zone: zone}
	for _, at := range times.NextN(now, shownTimes) {
		out.Next = append(out.Next, at.In(loc))
	}
	return out, err
}
