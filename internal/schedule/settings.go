package schedule

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/intake"
	"relabel/internal/notice"
	"relabel/internal/outward"
	"relabel/internal/records"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// DefaultCatchUp is how late a run may start if no worker ran at its time.
const DefaultCatchUp = "12h"

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,29}$`)

// SetCSV makes a schedule read a CSV: the path of a file, or a URL.
func SetCSV(s *scheduledb.Schedule, source string) error {
	if !outward.IsURL(source) {
		path, err := filepath.Abs(source)
		if err != nil {
			return fmt.Errorf("error making the path absolute: %w", err)
		}
		source = path
	}
	s.ClearSource()
	s.CSV = &source
	return nil
}

// ParseCatchUp reads how late a run may start.
func ParseCatchUp(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, usecase.WrongSetting("catch-up", " is a duration such as 12h or 30m, or 0, not %q", text)
	}
	return d, nil
}

// Check refuses wrong settings of a schedule before they are stored. It checks only what
// differs from before (of a new schedule, the zero Schedule): the environment of this
// process may differ from a worker's, which allows the rest.
func (e Sources) Check(before, s scheduledb.Schedule) error {
	if s.Name != before.Name && !namePattern.MatchString(s.Name) {
		return usecase.WrongSetting("name", ": a schedule's name is 1 to 30 lower-case letters, digits, - and _, beginning with a letter or digit, not %q", s.Name)
	}
	if s.Cron == "" {
		return usecase.WrongSetting("cron", " is missing: \"0 2 * * *\" means two at night, @daily midnight")
	}
	if _, err := ParseTimes(s.Cron, s.TimeZone); err != nil {
		return usecase.WrongSetting("cron", ": %s", err)
	}
	if s.Rule != nil {
		if err := checkRule(s); err != nil {
			return err
		}
	} else if err := e.checkSource(before, s); err != nil {
		return err
	}
	if now := text.Deref(s.NotifyURL); now != "" && now != text.Deref(before.NotifyURL) {
		if err := notice.Check(now, e.allowed(config.NotifyPrivateVar)); err != nil {
			return usecase.WrongSetting("notify", ": %s", err)
		}
	}
	return checkRules(s)
}

// checkRules checks what a run does with its rows.
func checkRules(s scheduledb.Schedule) error {
	switch {
	case s.Mode != "changed" && s.Mode != "all":
		return usecase.WrongSetting("mode", " is changed or all, not %q", s.Mode)
	case s.Overlap != "skip" && s.Overlap != "queue" && s.Overlap != "cancel":
		return usecase.WrongSetting("overlap", " is skip, queue or cancel, not %q", s.Overlap)
	case s.Mode == "all" && s.MaxChange != nil:
		return usecase.WrongSetting("max-change", " would stop each run, because mode all sends every row: give one of them")
	}
	if s.LocaleNames != "" && !slices.Contains(usecase.LocaleNames(), s.LocaleNames) {
		return usecase.WrongSetting("names-in-locales", " is keep, drop or refuse, not %q", s.LocaleNames)
	}
	if err := usecase.CheckAmbiguous(s.Ambiguous); err != nil {
		return err
	}
	if s.MaxChange != nil {
		if _, err := ParseMaxChange(*s.MaxChange); err != nil {
			return usecase.WrongSetting("max-change", ": %s", err)
		}
	}
	if s.ColumnMap != nil {
		if _, err := intake.ParseMap(*s.ColumnMap); err != nil {
			return usecase.WrongSetting("map", ": %s", err)
		}
	}
	return nil
}

// checkSource keeps passwords out of the database.
func (e Sources) checkSource(before, s scheduledb.Schedule) error {
	if s.Command != nil {
		return e.checkCommand(before, s)
	}
	csv, env, url := text.Deref(s.CSV), text.Deref(s.SourceEnv), text.Deref(s.SourceURL)
	switch {
	case csv+text.Deref(s.Query)+text.Deref(s.QueryFile) == "":
		return usecase.WrongSetting("source", " is missing: the path or the https URL of a CSV file")
	case outward.IsURL(csv) && csv != text.Deref(before.CSV):
		if _, err := outward.ParseURL(csv, e.allowed(SourceAllowPrivate), SourceAllowPrivate); err != nil {
			return usecase.WrongSetting("source", ": %s", err)
		}
	case env != "" && env != text.Deref(before.SourceEnv):
		return e.checkSourceEnv(env)
	case url != "" && url != text.Deref(before.SourceURL):
		return checkSourceURL(url)
	}
	return nil
}

func (e Sources) checkSourceEnv(name string) error {
	if !usecase.IsEnvName(name) {
		return usecase.WrongSetting("source-env", " takes the name of an environment variable, such as RELABEL_SOURCE_URL")
	}
	if err := e.AllowSourceEnv(name); err != nil {
		return usecase.WrongSetting("source-env", ": %s", err)
	}
	return nil
}

func checkSourceURL(url string) error {
	if err := intake.CheckStoredURL(url); err != nil {
		return usecase.WrongSetting("source-url", ": %s", err)
	}
	if HoldsPassword(url) {
		return usecase.WrongSetting("source-url", " would be stored with its password: put it into an environment variable of relabel work, and name that with --source-env (default %s)", DefaultSourceEnv)
	}
	return nil
}

// Next is a schedule's next time by the database's clock.
func Next(ctx context.Context, d *db.DB, s scheduledb.Schedule) (time.Time, error) {
	times, err := ParseTimes(s.Cron, s.TimeZone)
	if err != nil {
		return time.Time{}, err
	}
	now, err := d.Now(ctx)
	if err != nil {
		return time.Time{}, err
	}
	next := times.Next(now)
	if next.IsZero() {
		return next, fmt.Errorf("%q is never due again", s.Cron)
	}
	return next, nil
}

// Save checks and stores a new schedule, or the changed settings of one. before is the
// schedule as it was, or the zero Schedule.
func (e Sources) Save(ctx context.Context, use *usecase.Service, by usecase.Actor, before, s scheduledb.Schedule) error {
	if err := e.Check(before, s); err != nil {
		return err
	}
	next, err := Next(ctx, use.DB, s)
	if err != nil {
		return err
	}
	s.NextRunAt = &next
	action, store := "edit", scheduledb.Edit
	if s.ID == 0 {
		action, store = "add", scheduledb.Add
	}
	return use.Record(ctx, by, records.AuditEntry{Action: action, Subject: "schedule " + s.Name}, func(ctx context.Context) (int64, error) {
		return -1, store(ctx, use.DB, s)
	})
}
