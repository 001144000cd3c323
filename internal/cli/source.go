package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/rehearsal"
	"relabel/internal/siteread"
	"relabel/internal/terminal"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

const (
	shownProblems = 50 // on screen; --json gives all
	shownWarnings = 5
)

// sourceHelp says in the help of those commands what a SOURCE is.
const sourceHelp = `SOURCE is the path of a CSV or Excel file (.xlsx), - for standard input, --exec 'COMMAND' that
writes a CSV, or --sql 'SELECT ...' (or --sql-file) with --source-url, a PostgreSQL, MySQL, MariaDB,
SQL Server or SQLite. It has the columns asset_id, display_name, and optionally locale_id or locale,
alt_text, expected_name; --map reads other names. A CSV has a header row and may be gzipped;
its cells are separated by comma, semicolon, tab or pipe. Of a workbook relabel reads the first
visible sheet, or the one that --sheet names. A blank cell leaves that field alone; [empty] in
alt_text empties it. Any invalid row loads nothing, unless --skip-invalid.

Instead of asset_id it may have current_name, original_file_name or hosted_url, and a column
folder that narrows. relabel then reads the site first (100 assets a call), unless it was read in
the last 15 minutes. A name that several assets have is refused, unless --ambiguous.`

const sourceUse = "one SOURCE: a CSV or Excel file, - for standard input, --exec, or --sql with --source-url"

// sourceFlags are the SOURCE of a command that takes one, and its options.
type sourceFlags struct {
	path      string // of a CSV or a workbook; - is standard input
	sql       string
	sqlFile   string
	sourceURL string
	command   commandFlags

	name        string
	priority    int
	skipInvalid bool
	force       bool
	snapshot    bool
	mapping     []string
	maxRows     int64
	texts       textFlags
	notify      notifyFlag
}

func (f *sourceFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.name, "name", "", "`NAME` of the batch (default: the file's)")
	fs.IntVar(&f.priority, "priority", usecase.DefaultPriority, "`N`: 1 (first) to 4 (last)")
	fs.BoolVar(&f.skipInvalid, "skip-invalid", false, "load the good rows, keep the refused ones in the batch as invalid")
	fs.BoolVar(&f.force, "force", false, "send also rows whose target has the value already, by relabel's own record")
	fs.Int64Var(&f.maxRows, "max-rows", 0, "load nothing if SOURCE has more than `N` rows (default: no limit)")
	fs.StringVar(&f.sql, "sql", "", "read the rows of this `SELECT`")
	fs.StringVar(&f.sqlFile, "sql-file", "", "read the rows of the SELECT in this `FILE`")
	fs.StringVar(&f.sourceURL, "source-url", "", "the `URL` of the database to read from: postgres://, mysql://, sqlserver:// or sqlite:FILE (default $RELABEL_SOURCE_URL)")
	f.command.register(fs)
	registerMap(fs, &f.mapping)
	f.texts.register(fs)
	f.texts.complete(cmd)
}

func registerMap(fs *pflag.FlagSet, mapping *[]string) {
	fs.StringArrayVar(mapping, "map", nil, "`COLUMNS` under other names: \"asset_id=Ref,display_name=New name\"; may be repeated")
}

// mapText joins repeated --map flags into one mapping.
func mapText(flags []string) string { return strings.Join(flags, ",") }

func (f *sourceFlags) registerSnapshot(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.snapshot, "snapshot", false, "read the site first and keep the values before, for undo")
}

// args takes one SOURCE, in one of its forms.
func (f *sourceFlags) args(cmd *cobra.Command, args []string) error {
	forms := len(args)
	for _, given := range []string{f.sql, f.sqlFile, f.command.exec, f.command.shell} {
		if given != "" {
			forms++
		}
	}
	if forms != 1 {
		return usageError("`%s` takes %s; see `%s --help`", cmd.CommandPath(), sourceUse, cmd.CommandPath())
	}
	if len(args) == 1 {
		f.path = args[0]
	}
	return nil
}

func (f *sourceFlags) check() error {
	if f.priority < 1 || f.priority > 4 {
		return usageError("--priority is 1 (first) to 4 (last), not %d", f.priority)
	}
	if f.texts.sheet != "" && f.path == "" {
		return usageError("--sheet chooses a sheet of an Excel file: give the file as SOURCE")
	}
	if f.maxRows < 0 {
		return usageError("--max-rows is 1 or more, or 0 for no limit, not %d", f.maxRows)
	}
	if err := f.texts.check(); err != nil {
		return err
	}
	return f.command.check()
}

// source puts together where the rows come from.
func (f *sourceFlags) source(ctx context.Context, a *app) (usecase.Source, error) {
	src := usecase.Source{
		Path: f.path, Sheet: f.texts.sheet, SQL: f.sql, SQLFile: f.sqlFile, URL: f.sourceURL, Map: mapText(f.mapping), Empty: f.texts.empty,
	}
	if src.Command, src.Shell = f.command.given(); src.Command != "" {
		src.Env = a.cfg.CommandEnv()
		return src, nil
	}
	if src.URL == "" {
		src.URL = a.cfg.SourceURL
	}
	if f.path == "" && src.URL == "" {
		return src, usageError("--sql needs the database to read from: --source-url, or better RELABEL_SOURCE_URL, which no list of processes shows")
	}
	if f.path == "-" {
		src.Path, src.Input, src.InputName = "", newInput(ctx, a.In), "standard input"
		if terminal.Is(a.In) {
			a.note("reading rows from the terminal; Ctrl-D ends them")
		}
	}
	return src, nil
}

// loading is a source that is being loaded. What it says of rows goes to standard
// error, or with --json to standard output.
type loading struct {
	usecase.LoadParams
	reading siteread.Params // of the site, after the load

	app      *app
	wait     *wait
	columns  []string
	problems problemList
	warnings int
}

// newLoading makes a loading, which shows how far it is until its end.
func (a *app) newLoading(ctx context.Context, s *session, site db.Site, f sourceFlags) (*loading, error) {
	src, err := f.source(ctx, a)
	if err != nil {
		return nil, err
	}
	l := &loading{app: a, wait: a.newWait(ctx), columns: []string{}, problems: problemList{app: a, prefix: prefixError}}
	if f.skipInvalid {
		l.problems.prefix = prefixWarning
	}
	l.reading = siteread.Params{Progress: s.readSteps(l.wait, site.Name, comparing()), Notice: a.notice}
	l.LoadParams = usecase.LoadParams{
		Site: site, Source: src,
		Name: f.name, Priority: f.priority, SkipInvalid: f.skipInvalid, Force: f.force, Rehearsal: rehearsal.IsStandIn(site.Name),
		Opened: l.opened, Problem: l.problems.add, Warning: l.warning, Notice: a.notice,
		Ambiguous: f.texts.ambiguous, LocaleNames: f.texts.localeNames, MaxRows: f.maxRows, Notify: f.notify.urls, Read: l.read, Asked: s.readSteps(l.wait, site.Name, l.loaded(0)),
	}
	l.read(0)
	return l, nil
}

func (l *loading) opened(info intake.Info) {
	l.columns = info.Columns
	if len(info.Ignored) > 0 && !info.Exported {
		l.app.warn("columns not used: %s", strings.Join(info.Ignored, ", "))
	}
}

// read shows how many rows were read so far.
func (l *loading) read(rows int64) { l.wait.to(l.loaded(rows)) }

// loaded is the step of the load. Rows that a person types are not counted: a line on
// the screen would disturb.
func (l *loading) loaded(rows int64) step {
	if l.Source.Input != nil && terminal.Is(l.app.In) {
		return step{}
	}
	return step{label: "loading " + l.Source.Name(), details: func(_ context.Context, at step) []string {
		return []string{text.Number(rows) + " rows read", "for " + text.Span(time.Since(at.since))}
	}}
}

// comparing is the step after a reading of the site.
func comparing() step { return step{label: "comparing the rows with the site"} }

func (l *loading) warning(w intake.Problem) {
	if l.warnings++; l.warnings <= shownWarnings && !l.app.json {
		l.app.warn("line %d, %s: %s", w.Line, w.Column, w.Message)
	}
}

// end says how much more there was to say.
func (l *loading) end() {
	l.wait.close()
	l.problems.end()
	if l.warnings > shownWarnings {
		l.app.warn("and %s", text.Plural(int64(l.warnings-shownWarnings), "more warning", "more warnings"))
	}
}

// problemList shows problems as they are found, so that a list of any length
// takes no memory: the first 50 on standard error, or with --json all of them
// on standard output.
type problemList struct {
	app    *app
	prefix string // an error refuses the source, a warning only the row
	n      int64
}

func (p *problemList) add(pr intake.Problem) {
	p.n++
	switch {
	case p.app.json:
		_ = p.app.result.problem(pr) // standard output keeps its error
	case p.n <= shownProblems:
		p.app.line(p.prefix, problemText(pr))
	}
}

func (p *problemList) end() {
	if p.n > shownProblems && !p.app.json {
		p.app.line(p.prefix, "and "+text.Plural(p.n-shownProblems, "more problem", "more problems")+"; --json lists all")
	}
}

func problemText(pr intake.Problem) string {
	where := fmt.Sprintf("line %d", pr.Line)
	if pr.Column != "" {
		where += ", " + pr.Column
	}
	if pr.Value != "" {
		where += ` "` + pr.Value + `"` // intake has escaped it
	}
	return where + ": " + pr.Message
}
