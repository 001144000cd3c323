package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"relabel/internal/schedule"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// scheduleFlags are the settings of a schedule, as flags.
type scheduleFlags struct {
	source string // a path or a URL

	cron, zone, sql, sqlFile, rule, sourceURL, sourceEnv,
	locales, mode, overlap, catchUp, maxChange, notify string
	command     commandFlags
	mapping     []string
	skipInvalid bool
	texts       textFlags
}

func (f *scheduleFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.cron, "cron", "", "`WHEN`: minute hour day-of-month month day-of-week, or @hourly, @daily, @weekly, @monthly, @yearly, \"@every 10m\"")
	fs.StringVar(&f.zone, "tz", "UTC", "the time `ZONE` of --cron, such as Europe/Berlin")
	fs.StringVar(&f.locales, "locales", "", "only the rows of these `LOCALES`, separated by commas: fr-FR,es-MX (default: all rows)")
	fs.StringVar(&f.mode, "mode", "changed", "`MODE`: changed sends what differs from the site, all sends every row")
	fs.StringVar(&f.overlap, "overlap", "skip", "what to do if an earlier run is not finished, as `WHAT`: skip this run, queue it, or cancel the earlier one")
	fs.StringVar(&f.catchUp, "catch-up", schedule.DefaultCatchUp, "how late a run may start if no worker ran at its time, as a `DURATION`; 0: never late")
	fs.StringVar(&f.maxChange, "max-change", "", "send nothing if more rows than this `LIMIT` would change: a share (20%) or a number; the plan then waits for relabel apply")
	fs.StringVar(&f.notify, "notify", "", "send a notice to this `URL`, a web hook or a mail server, when the outcome of the runs changes")
	fs.StringVar(&f.sql, "sql", "", "read the rows of this `SELECT`")
	fs.StringVar(&f.sqlFile, "sql-file", "", "read the rows of the SELECT in this `FILE`, read again at each run")
	fs.StringVar(&f.sourceEnv, "source-env", schedule.DefaultSourceEnv, "`NAME` of the environment variable of relabel work that holds the URL of the database to read from")
	fs.StringVar(&f.sourceURL, "source-url", "", "that `URL` itself; it is stored, so it must not contain a password")
	fs.StringVar(&f.rule, "rule", "", "the saved rule of this `NAME`, worked out for what the site holds at each run")
	f.command.register(fs)
	registerMap(fs, &f.mapping)
	f.texts.register(fs)
	fs.BoolVar(&f.skipInvalid, "skip-invalid", false, "send the valid rows even if others are invalid")
}

const scheduleSourceHelp = `SOURCE is the path or https URL of a CSV or Excel file (a Google sheet: File, Share, Publish to
web, CSV; of a workbook the first visible sheet is read), --sql with the URL of a database in
RELABEL_SOURCE_URL, or --exec 'COMMAND' that writes a CSV. relabel work reads it at each run, on its
own machine. A file must be below the folder in which relabel work is started, or below those of
RELABEL_SOURCE_DIRS; a command runs only if RELABEL_ALLOW_EXEC is 1. The columns are those of relabel
run. --rule takes a rule of relabel rename --save instead: each run reads the site and renames what
matches.`

func (f *scheduleFlags) forms() (n int) {
	for _, given := range []string{f.source, f.sql, f.sqlFile, f.command.exec, f.command.shell, f.rule} {
		if given != "" {
			n++
		}
	}
	return n
}

// set copies the given flags into a schedule; if all is true, also the defaults.
func (f *scheduleFlags) set(fs *pflag.FlagSet, s *scheduledb.Schedule, all bool) (err error) {
	for _, one := range []struct {
		flag string
		set  func()
	}{
		{"cron", func() { s.Cron = strings.TrimSpace(f.cron) }},
		{"tz", func() { s.TimeZone = f.zone }},
		{"map", func() { s.ColumnMap = text.NilIfEmpty(mapText(f.mapping)) }},
		{"sheet", func() { s.Sheet = text.NilIfEmpty(f.texts.sheet) }},
		{"ambiguous", func() { s.Ambiguous = f.texts.ambiguous }},
		{"empty", func() { s.EmptyMarker = f.texts.marker() }},
		{"names-in-locales", func() { s.LocaleNames = f.texts.localeNames }},
		{"skip-invalid", func() { s.SkipInvalid = f.skipInvalid }},
		{"locales", func() { s.Locales = text.List(f.locales) }},
		{"mode", func() { s.Mode = f.mode }},
		{"overlap", func() { s.Overlap = f.overlap }},
		{"catch-up", func() { s.CatchUp, err = schedule.ParseCatchUp(f.catchUp) }},
		{"max-change", func() { s.MaxChange = text.NilIfEmpty(f.maxChange) }},
		{"notify", func() { s.NotifyURL = text.NilIfEmpty(f.notify) }},
	} {
		if all || fs.Changed(one.flag) {
			one.set()
		}
	}
	if err == nil && (f.forms() > 0 || fs.Changed("source-url") || fs.Changed("source-env")) {
		err = f.setSource(fs, s)
	}
	return err
}

func (f *scheduleFlags) setSource(fs *pflag.FlagSet, s *scheduledb.Schedule) error {
	switch {
	case f.source == "-":
		return usageError("a schedule can't read standard input: give the path of a file, an https URL, or --sql")
	case f.source != "":
		return schedule.SetCSV(s, f.source)
	case f.command != commandFlags{}:
		command, shell := f.command.given()
		schedule.SetCommand(s, command, shell)
		return nil
	case f.rule != "":
		s.ClearSource()
		s.Rule = &f.rule
		return nil
	case f.sql != "":
		s.ClearSource()
		s.Query = &f.sql
	case f.sqlFile != "":
		path, err := filepath.Abs(f.sqlFile)
		if err != nil {
			return fmt.Errorf("error making the path absolute: %w", err)
		}
		s.ClearSource()
		s.QueryFile = &path
	}
	switch s.SourceEnv, s.SourceURL = nil, nil; {
	case s.CSV != nil, s.Rule != nil, s.Command != nil:
	case f.sourceURL == "":
		s.SourceEnv = &f.sourceEnv
	case fs.Changed("source-env"):
		return usageError("--source-url and --source-env: give one of them")
	default:
		s.SourceURL = &f.sourceURL
	}
	return nil
}

// sources is what schedules may read, as far as this environment goes.
func (a *app) sources() schedule.Sources {
	return schedule.Sources{
		SourceDirs: a.cfg.SourceDirs, AllowSourceEnv: a.cfg.AllowSourceEnv, CommandEnv: a.cfg.CommandEnv, LookupEnv: a.LookupEnv,
	}
}
