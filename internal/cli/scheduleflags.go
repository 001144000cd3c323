package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"relabel/internal/intake"
	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// scheduleFlags are the settings of a schedule, as flags.
type scheduleFlags struct {
	source string // a path or a URL

	cron, zone, sql, sqlFile, sourceURL, sourceEnv,
	locales, mode, overlap, catchUp, maxChange, notify string
	mapping     []string
	skipInvalid bool
}

func (f *scheduleFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.cron, "cron", "", "`WHEN`: minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly, \"@every 10m\"")
	fs.StringVar(&f.zone, "tz", "UTC", "the time `ZONE` of --cron, such as Europe/Berlin")
	fs.StringVar(&f.locales, "locales", "", "only the rows of these `LOCALES`, separated by commas: fr-FR,es-MX (default: all rows)")
	fs.StringVar(&f.mode, "mode", "changed", "`MODE`: changed sends what differs from the site, all sends every row")
	fs.StringVar(&f.overlap, "overlap", "skip", "what to do if an earlier run is not finished, as `WHAT`: skip this run, queue it, or cancel the earlier one")
	fs.StringVar(&f.catchUp, "catch-up", "12h", "how late a run may start if no worker ran at its time, as a `DURATION`; 0: never late")
	fs.StringVar(&f.maxChange, "max-change", "", "send nothing if more rows than this `LIMIT` would change: a share (20%) or a number; the plan then waits for relabel apply")
	fs.StringVar(&f.notify, "notify", "", "an https `URL` that gets a notice when the state changes, such as a Slack web hook")
	fs.StringVar(&f.sql, "sql", "", "read the rows of this `SELECT`")
	fs.StringVar(&f.sqlFile, "sql-file", "", "read the rows of the SELECT in this `FILE`, read again at each run")
	fs.StringVar(&f.sourceEnv, "source-env", schedule.DefaultSourceEnv, "`NAME` of the environment variable of relabel work that holds the URL of the PostgreSQL to read from")
	fs.StringVar(&f.sourceURL, "source-url", "", "that `URL` itself; it is stored, so it must not contain a password")
	registerMap(fs, &f.mapping)
	fs.BoolVar(&f.skipInvalid, "skip-invalid", false, "send the valid rows even if others are invalid")
}

const scheduleSourceHelp = `SOURCE is the path or https URL of a CSV file (a Google sheet: File, Share, Publish to web,
CSV), or --sql with the URL of a PostgreSQL in RELABEL_SOURCE_URL. relabel work reads it at each
run, on its own machine. A file must be below the folder in which relabel work is started, or
below those of RELABEL_SOURCE_DIRS. The columns are those of relabel run.`

var scheduleName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,29}$`)

func (f *scheduleFlags) forms() (n int) {
	for _, given := range []string{f.source, f.sql, f.sqlFile} {
		if given != "" {
			n++
		}
	}
	return n
}

// set copies the given flags into a schedule (if all is true, also the defaults), and
// checks the result.
func (f *scheduleFlags) set(a *app, fs *pflag.FlagSet, s *scheduledb.Schedule, all bool) error {
	for _, one := range []struct {
		flag string
		set  func()
	}{
		{"cron", func() { s.Cron = strings.TrimSpace(f.cron) }},
		{"tz", func() { s.TimeZone = f.zone }},
		{"map", func() { s.ColumnMap = text.NilIfEmpty(mapText(f.mapping)) }},
		{"skip-invalid", func() { s.SkipInvalid = f.skipInvalid }},
		{"locales", func() { s.Locales = splitList(f.locales) }},
		{"mode", func() { s.Mode = f.mode }},
		{"overlap", func() { s.Overlap = f.overlap }},
		{"max-change", func() { s.MaxChange = text.NilIfEmpty(f.maxChange) }},
		{"notify", func() { s.NotifyURL = text.NilIfEmpty(f.notify) }},
	} {
		if all || fs.Changed(one.flag) {
			one.set()
		}
	}
	if all || fs.Changed("catch-up") {
		d, err := time.ParseDuration(f.catchUp)
		if err != nil || d < 0 {
			return usageError("--catch-up is a duration such as 12h or 30m, or 0, not %q", f.catchUp)
		}
		s.CatchUp = d
	}
	if f.forms() > 0 || fs.Changed("source-url") || fs.Changed("source-env") {
		if err := f.setSource(a, fs, s); err != nil {
			return err
		}
	}
	if (all || fs.Changed("notify")) && s.NotifyURL != nil {
		if _, err := schedule.ParseURL(*s.NotifyURL, a.allowed(schedule.NotifyAllowPrivate)); err != nil {
			return usageError("--notify: %s", err)
		}
	}
	return checkSchedule(s)
}

func splitList(text string) []string {
	var list []string
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// setSource makes paths absolute, and keeps passwords out of the database.
func (f *scheduleFlags) setSource(a *app, fs *pflag.FlagSet, s *scheduledb.Schedule) error {
	if f.forms() > 0 {
		s.CSV, s.Query, s.QueryFile = text.NilIfEmpty(f.source), text.NilIfEmpty(f.sql), text.NilIfEmpty(f.sqlFile)
	}
	switch {
	case f.source == "-":
		return usageError("a schedule can't read standard input: give the path of a file, an https URL, or --sql")
	case schedule.IsURL(f.source):
		if _, err := schedule.ParseURL(f.source, a.allowed(schedule.SourceAllowPrivate)); err != nil {
			return usageError("SOURCE: %s", err)
		}
	case f.source != "" || f.sqlFile != "":
		path, err := filepath.Abs(f.source + f.sqlFile)
		if err != nil {
			return fmt.Errorf("error making the path absolute: %w", err)
		}
		if f.source != "" {
			s.CSV = &path
		} else {
			s.QueryFile = &path
		}
	}
	s.SourceEnv, s.SourceURL = nil, nil
	if s.CSV != nil {
		return nil
	}
	if f.sourceURL == "" {
		s.SourceEnv = &f.sourceEnv
		if !envPattern.MatchString(f.sourceEnv) {
			return usageError("--source-env takes the name of an environment variable, such as RELABEL_SOURCE_URL")
		}
		if err := a.cfg.AllowSourceEnv(f.sourceEnv); err != nil {
			return usageError("--source-env: %s", err)
		}
		return nil
	}
	if fs.Changed("source-env") {
		return usageError("--source-url and --source-env: give one of them")
	}
	return f.setSourceURL(s)
}

func (f *scheduleFlags) setSourceURL(s *scheduledb.Schedule) error {
	if err := intake.CheckStoredURL(f.sourceURL); err != nil {
		return usageError("--source-url: %s", err)
	}
	if schedule.HoldsPassword(f.sourceURL) {
		return usageError("--source-url would be stored with its password: put it into an environment variable of relabel work, and name that with --source-env (default %s)", schedule.DefaultSourceEnv)
	}
	s.SourceURL = &f.sourceURL
	return nil
}

func (a *app) allowed(variable string) bool {
	v, _ := a.LookupEnv(variable)
	return v == "1" || v == "true"
}

// checkSchedule refuses wrong settings before anything is stored.
func checkSchedule(s *scheduledb.Schedule) error {
	if _, err := schedule.ParseTimes(s.Cron, s.TimeZone); err != nil {
		return usageError("--cron, --tz: %s", err)
	}
	switch {
	case s.Mode != "changed" && s.Mode != "all":
		return usageError("--mode is changed or all, not %q", s.Mode)
	case s.Overlap != "skip" && s.Overlap != "queue" && s.Overlap != "cancel":
		return usageError("--overlap is skip, queue or cancel, not %q", s.Overlap)
	case s.Mode == "all" && s.MaxChange != nil:
		return usageError("--mode all sends every row, so --max-change would stop each run: give one of them")
	}
	if s.MaxChange != nil {
		if _, err := schedule.ParseMaxChange(*s.MaxChange); err != nil {
			return usageError("--max-change: %s", err)
		}
	}
	if s.ColumnMap != nil {
		if _, err := intake.ParseMap(*s.ColumnMap); err != nil {
			return usageError("--map: %s", err)
		}
	}
	return nil
}

// nextTimes are the next times of a schedule by the database's clock.
func nextTimes(ctx context.Context, s *session, sched scheduledb.Schedule, n int) ([]time.Time, error) {
	times, err := schedule.ParseTimes(sched.Cron, sched.TimeZone)
	if err != nil {
		return nil, err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return nil, err
	}
	list := times.NextN(now, n)
	if len(list) == 0 {
		return nil, errors.New("this schedule is never due")
	}
	return list, nil
}
