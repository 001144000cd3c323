package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/report"
	"relabel/jobs"
)

const (
	shownProblems = 50 // on screen; --json gives all
	shownWarnings = 5

	defaultPriority = 2
)

// sourceHelp says in the help of those commands what a SOURCE is.
const sourceHelp = `SOURCE is the path of a CSV file, - for standard input, or --sql 'SELECT ...' (or --sql-file)
with --source-url, a PostgreSQL. It has the columns asset_id, display_name, and optionally
locale_id or locale, alt_text, expected_name; --map reads other names. A CSV has a header row,
may be gzipped, and separated by comma, semicolon, tab or pipe. A blank cell leaves that field
alone. Any invalid row loads nothing, unless --skip-invalid.`

const sourceUse = "one SOURCE: a CSV file, - for standard input, or --sql with --source-url"

// sourceFlags are the SOURCE of a command that takes one, and its options.
type sourceFlags struct {
	path      string // a CSV's; - is standard input
	sql       string
	sqlFile   string
	sourceURL string

	name        string
	priority    int
	skipInvalid bool
	force       bool
	mapping     string
}

func (f *sourceFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.name, "name", "", "`NAME` of the batch (default: the file's)")
	fs.IntVar(&f.priority, "priority", defaultPriority, "`N`: 1 (first) to 4 (last)")
	fs.BoolVar(&f.skipInvalid, "skip-invalid", false, "load the good rows, keep the refused ones in the batch as invalid")
	fs.BoolVar(&f.force, "force", false, "send also rows whose target has the value already, by relabel's own record")
	fs.StringVar(&f.sql, "sql", "", "read the rows of this `SELECT`")
	fs.StringVar(&f.sqlFile, "sql-file", "", "read the rows of the SELECT in this `FILE`")
	fs.StringVar(&f.sourceURL, "source-url", "", "the `URL` of the PostgreSQL to read from (default $RELABEL_SOURCE_URL)")
	fs.StringVar(&f.mapping, "map", "", "`COLUMNS` under other names: \"asset_id=Asset ID,display_name=New name\"")
}

// args takes one SOURCE, in one of its forms.
func (f *sourceFlags) args(cmd *cobra.Command, args []string) error {
	forms := len(args)
	for _, given := range []string{f.sql, f.sqlFile} {
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
	return nil
}

// loader loads one source as a batch.
type loader struct {
	app    *app
	flags  sourceFlags
	site   db.Site
	client *jobs.Client

	refused  int64
	warnings int64
	problems *problemList
}

// load makes a batch of a source and returns its number. What it says of rows
// goes to standard error, or with --json to standard output.
func (a *app) load(ctx context.Context, s *session, site db.Site, f sourceFlags) (int64, error) {
	client, err := jobs.NewInsertClient(s.DB, a.log)
	if err != nil {
		return 0, err
	}
	l := &loader{app: a, flags: f, site: site, client: client}
	id, err := l.load(ctx, s.DB)
	if errors.Is(err, context.Canceled) {
		err = exitErr{exitError, "interrupted: nothing was loaded"}
	}
	return id, err
}

func (l *loader) load(ctx context.Context, d *db.DB) (int64, error) {
	rows, err := l.openSource(ctx)
	if err != nil {
		return 0, err
	}
	defer rows.Close() //nolint:errcheck // only read from
	if rows.Reads("locale") {
		locales, err := l.app.locales(ctx, d, l.site)
		if err != nil {
			return 0, err
		}
		rows.UseLocales(locales)
	}
	l.notice(rows.Info())
	l.problems = &problemList{app: l.app}
	id, err := d.Load(ctx, db.LoadParams{
		SiteID: l.site.ID, Name: l.batchName(), Source: l.flags.sourceName(), Priority: l.flags.priority, Force: l.flags.force,
		Rows: l.rows(ctx, rows),
		Queue: func(ctx context.Context, tx pgx.Tx) error {
			_, err := jobs.Feed(ctx, tx, l.client, l.site, jobs.DefaultWindow)
			return err
		},
	})
	l.problems.end()
	return id, l.explain(l.flags.sourceName(), err)
}

// explain says once more what refusing a source means: nothing was loaded.
func (l *loader) explain(name string, err error) error {
	switch {
	case err == nil:
		if l.warnings > shownWarnings {
			l.app.note("and %d more notices", l.warnings-shownWarnings)
		}
		return nil
	case errors.Is(err, errRefusedRows):
		return fmt.Errorf("%s: %s refused, nothing was loaded: mend them, or load the others with --skip-invalid",
			name, report.Plural(l.refused, "row was", "rows were"))
	case errors.Is(err, db.ErrNoRows), errors.Is(err, intake.ErrNoRows):
		return fmt.Errorf("%s has a header and no rows: nothing was loaded", name)
	}
	return fmt.Errorf("nothing was loaded: %w", err)
}

// rowSource is a CSV or a query.
type rowSource interface {
	Chunks(ctx context.Context) iter.Seq2[[]intake.Row, error]
	Info() intake.Info
	Reads(column string) bool
	UseLocales(locales intake.LocaleResolver)
	Close() error
}

func (l *loader) openSource(ctx context.Context) (rowSource, error) {
	var mapping map[string]string
	if l.flags.mapping != "" {
		var err error
		if mapping, err = intake.ParseMap(l.flags.mapping); err != nil {
			return nil, usageError("--map: %s", err)
		}
	}
	if l.flags.path == "" {
		return l.openSQL(ctx, mapping)
	}
	return l.openCSV(ctx, mapping)
}

func (l *loader) openCSV(ctx context.Context, mapping map[string]string) (rowSource, error) {
	params := intake.CSVParams{Name: l.flags.sourceName(), Map: mapping}
	if l.flags.path != "-" {
		return intake.OpenCSV(l.flags.path, params)
	}
	if f, ok := isFile(l.app.In); ok && term.IsTerminal(int(f.Fd())) {
		l.app.note("reading rows from the terminal; Ctrl-D ends them")
	}
	return intake.NewCSV(newInput(ctx, l.app.In), params)
}

func (l *loader) openSQL(ctx context.Context, mapping map[string]string) (rowSource, error) {
	params := intake.SQLParams{URL: l.flags.sourceURL, Query: l.flags.sql, Map: mapping}
	if params.URL == "" {
		params.URL = l.app.cfg.SourceURL
	}
	if params.URL == "" {
		return nil, usageError("--sql needs the database to read from: --source-url, or better RELABEL_SOURCE_URL, which no list of processes shows")
	}
	if l.flags.sqlFile != "" {
		text, err := os.ReadFile(l.flags.sqlFile)
		if err != nil {
			return nil, fmt.Errorf("the SQL file can't be read: %w", err)
		}
		params.Query = string(text)
	}
	source, err := intake.OpenSQL(ctx, params)
	if err != nil {
		return nil, err
	}
	if w := source.Warning(); w != "" {
		l.app.note("%s", w)
	}
	return source, nil
}

// sourceName is how messages and the batch name the source.
func (f *sourceFlags) sourceName() string {
	switch {
	case f.path == "-":
		return "standard input"
	case f.path != "":
		return f.path
	case f.sqlFile != "":
		return f.sqlFile
	}
	return "the query"
}

func (l *loader) batchName() string {
	if l.flags.name != "" {
		return intake.Clean(l.flags.name)
	}
	return intake.Clean(filepath.Base(l.flags.sourceName()))
}

func (l *loader) notice(info intake.Info) {
	if len(info.Ignored) > 0 && !info.Exported {
		l.app.note("columns not used: %s", strings.Join(info.Ignored, ", "))
	}
}

var errRefusedRows = errors.New("rows were refused")

// rows hands over what may be loaded. Once a row is refused (without
// --skip-invalid) nothing more is handed over, but all is read, so that every
// problem is listed in one go.
func (l *loader) rows(ctx context.Context, source rowSource) iter.Seq2[*db.Row, error] {
	return func(yield func(*db.Row, error) bool) {
		var row db.Row
		for chunk, err := range source.Chunks(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range chunk {
				l.take(&chunk[i], &row)
				if l.refused > 0 && !l.flags.skipInvalid {
					continue
				}
				if !yield(&row, nil) {
					return
				}
			}
		}
		if l.refused > 0 && !l.flags.skipInvalid {
			yield(nil, errRefusedRows)
		}
	}
}

func (l *loader) take(in *intake.Row, out *db.Row) {
	*out = db.Row{
		Line: in.Line, AssetID: in.AssetID, LocaleID: in.LocaleID,
		DisplayName: in.DisplayName, AltText: in.AltText, ExpectedName: in.ExpectedName,
	}
	if in.Refused() {
		l.refused++
		out.Refused = l.refusal(in)
	}
	for _, w := range in.Warnings {
		if l.warnings++; l.warnings <= shownWarnings && !l.app.json {
			l.app.note("line %d, %s: %s", w.Line, w.Column, w.Message)
		}
	}
}

func (l *loader) refusal(in *intake.Row) string {
	texts := make([]string, len(in.Problems))
	for i, p := range in.Problems {
		l.problems.add(p)
		texts[i] = p.Message
		if p.Column != "" {
			texts[i] = p.Column + ": " + p.Message
		}
	}
	return strings.Join(texts, "; ")
}

// problemList shows problems as they are found, so that a list of any length
// takes no memory: the first 50 on standard error, or with --json all of them
// on standard output.
type problemList struct {
	app *app
	n   int64
}

func (p *problemList) add(pr intake.Problem) {
	p.n++
	switch {
	case p.app.json:
		_ = p.app.result.problem(pr) // standard output keeps its error
	case p.n <= shownProblems:
		fmt.Fprintln(p.app.Err, problemText(pr))
	}
}

func (p *problemList) end() {
	if p.n > shownProblems && !p.app.json {
		fmt.Fprintf(p.app.Err, "and %s; --json lists all\n", report.Plural(p.n-shownProblems, "more problem", "more problems"))
	}
}

func problemText(pr intake.Problem) string {
	where := fmt.Sprintf("line %d", pr.Line)
	if pr.Column != "" {
		where += ", " + pr.Column
	}
	if pr.Value != "" {
		where += fmt.Sprintf(" %q", pr.Value)
	}
	return where + ": " + pr.Message
}
