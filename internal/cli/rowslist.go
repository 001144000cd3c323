package cli

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// maxListed is the longest page that comes within 150 ms.
const maxListed = 5_000

type listFlags struct {
	sort, cursor string
	limit        int
	csv          bool
	all          bool // look through all rows, however long it takes
}

func (a *app) rowsListCommand() *cobra.Command {
	var r rowFlags
	var l listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Rows by filter, a page at a time, with their River jobs' state",
		Long: `Lists the rows that match all that is asked for, of all sites unless --site is given.

A page looks through 50,000 rows at most, so that it comes at once however large the table
is. Where a filter finds little, a page may hold few rows, or none, and say how far it has
looked; --cursor goes on from there.`,
		Example: `  relabel rows list --batch 7 --status failed
  relabel rows list --http 404 --since 2h --csv
  relabel rows list --name 'autumn' --status pending --sort oldest`,
		Args: noArgs("no arguments, but options"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := r.check(cmd, a, db.Statuses(), time.Now())
			if err == nil {
				err = l.check(a.json)
			}
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.rowsList(ctx, s, f, l)
			})
		},
	}
	r.add(cmd, db.Statuses())
	flags := cmd.Flags()
	flags.StringVar(&l.sort, "sort", "", "`ORDER`: newest, oldest, or ended: the last ended first, without open rows\n(default: ended where only ended rows match, else newest)")
	flags.IntVar(&l.limit, "limit", 50, "at most `N` rows")
	flags.StringVar(&l.cursor, "cursor", "", "go on from this `PLACE`, which the page before has named")
	flags.BoolVar(&l.csv, "csv", false, "print CSV, with all columns")
	_ = cmd.RegisterFlagCompletionFunc("sort", cobra.FixedCompletions(db.RowSorts(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (l listFlags) check(json bool) error {
	switch {
	case l.sort != "" && !slices.Contains(db.RowSorts(), l.sort):
		return usageError("--sort is newest, oldest or ended, not %q", l.sort)
	case l.limit < 1 || l.limit > maxListed:
		return usageError("--limit is 1 to %s, not %d", text.Number(maxListed), l.limit)
	case l.csv && json:
		return usageError("--csv and --json can't both be had")
	}
	return nil
}

func (a *app) rowsList(ctx context.Context, s *session, f db.RowFilter, l listFlags) error {
	page, err := s.Rows(ctx, db.RowQuery{RowFilter: f, Sort: db.RowSort(l.sort), Cursor: l.cursor, Limit: l.limit})
	switch {
	case err != nil:
		return usage(err)
	case a.json:
		return a.result.print(page)
	case l.csv:
		err = a.rowsCSV(page.Rows)
	case len(page.Rows) > 0:
		rowTable(page.Rows).Print(a.Out, terminal.Width(a.stdout.Writer))
	}
	a.pageNote(page)
	return err
}

// pageNote says what the page does not show.
func (a *app) pageNote(p db.RowPage) {
	n := int64(len(p.Rows))
	shown := text.Plural(n, "row", "rows")
	if p.Total != nil && *p.Total > n {
		shown = fmt.Sprintf("%s of %s", text.Number(n), text.Plural(*p.Total, "row", "rows"))
	}
	if n == 0 {
		shown = "no row matches"
	}
	switch {
	case p.Next == "":
		a.note("%s", shown)
	case p.Full:
		a.note("%s; the next page: --cursor %s", shown, p.Next)
	default:
		a.note("looked through %s of %s, %s; look on: --cursor %s",
			text.Number(p.Looked), text.Plural(p.Of, "row", "rows"), shown, p.Next)
	}
}

// rowTable has columns by how much they are missed: on a narrow terminal the
// last ones are left out.
func rowTable(rows []db.Row) terminal.Table {
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "ID", Need: 1, Right: true},
		{Name: "BATCH", Need: 4, Right: true},
		{Name: "LINE", Need: 5, Right: true},
		{Name: "ASSET", Need: 2},
		{Name: "LOCALE", Need: 9},
		{Name: "STATUS", Need: 3},
		{Name: "JOB", Need: 8},
		{Name: "CALLS", Need: 7, Right: true},
		{Name: "HTTP", Need: 6, Right: true},
		{Name: "ENDED", Need: 10},
		{Name: "NAME, OR WHAT IS WRONG", Text: true},
	}}
	now := time.Now()
	for _, r := range rows {
		ended := ""
		if r.FinishedAt != nil {
			ended = text.Clock(*r.FinishedAt, now)
		}
		t.Rows = append(t.Rows, []string{
			strconv.FormatInt(r.ID, 10), strconv.FormatInt(r.Batch, 10), strconv.FormatInt(r.Line, 10), text.Line(r.AssetID), text.Line(r.LocaleID),
			r.Status, text.Deref(r.JobState), strconv.Itoa(r.Attempts), intText(r.HTTPStatus), ended, text.Line(rowText(r)),
		})
	}
	return t
}

// rowText is the error of a row that has one, else its name.
func rowText(r db.Row) string {
	switch {
	case r.Error != nil && r.Status != "succeeded":
		return *r.Error
	case r.DisplayName == nil:
		return "(alt text only)"
	case r.AppliedName != nil && *r.AppliedName != *r.DisplayName:
		return *r.DisplayName + " → stored as " + *r.AppliedName
	}
	return *r.DisplayName
}

func intText(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

func rowColumns() []string {
	return []string{
		"id", "batch", "line", "site", "asset_id", "locale_id", "display_name", "alt_text", "status", "job_state", "attempts",
		"http_status", "before_name", "applied_name", "error", "not_before", "superseded_by", "finished_at",
	}
}

func (a *app) rowsCSV(rows []db.Row) error {
	w := csv.NewWriter(a.Out)
	_ = w.Write(rowColumns()) // its error stays for w.Error
	for _, r := range rows {
		by := ""
		if r.SupersededBy != nil {
			by = strconv.FormatInt(*r.SupersededBy, 10)
		}
		record := []string{
			strconv.FormatInt(r.ID, 10), strconv.FormatInt(r.Batch, 10), strconv.FormatInt(r.Line, 10), r.Site, r.AssetID, r.LocaleID,
			text.Deref(r.DisplayName), text.Deref(r.AltText), r.Status, text.Deref(r.JobState), strconv.Itoa(r.Attempts), intText(r.HTTPStatus),
			text.Deref(r.BeforeName), text.Deref(r.AppliedName), text.Deref(r.Error), timeText(r.NotBefore), by, timeText(r.FinishedAt),
		}
		for i := range record {
			record[i] = intake.Neutralise(record[i])
		}
		_ = w.Write(record)
	}
	w.Flush()
	return w.Error()
}

func timeText(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func (a *app) rowsErrorsCommand() *cobra.Command {
	var r rowFlags
	var l listFlags
	cmd := &cobra.Command{
		Use:   "errors",
		Short: "Failures by cause, with their counts and an example of each",
		Long: `Groups the failed, conflicting and invalid rows (or those of --status that have an error) by
cause, the most frequent first. It looks through the newest 30,000 of them, so that it comes
at once, and says so where there are more; --all looks through all, which takes about two
seconds for a million.`,
		Example: "  relabel rows errors --batch 7\n  relabel rows errors --since 1h\n  relabel rows errors --all",
		Args:    noArgs("no arguments, but options"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := r.check(cmd, a, db.Statuses(), time.Now())
			if err == nil {
				err = l.check(a.json)
			}
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.rowsErrors(ctx, s, f, l)
			})
		},
	}
	r.add(cmd, db.Statuses())
	cmd.Flags().IntVar(&l.limit, "limit", 20, "at most `N` causes")
	cmd.Flags().BoolVar(&l.csv, "csv", false, "print CSV")
	cmd.Flags().BoolVar(&l.all, "all", false, "look through all rows, not only the newest 30,000")
	return cmd
}

func (a *app) rowsErrors(ctx context.Context, s *session, f db.RowFilter, l listFlags) error {
	find := s.RowErrors
	if l.all {
		find = s.AllRowErrors
	}
	got, err := find(ctx, f, l.limit)
	switch {
	case err != nil:
		return usage(err)
	case a.json:
		return a.result.print(got)
	case l.csv:
		err = a.causesCSV(got.Causes)
	}
	if !l.csv {
		for _, c := range got.Causes {
			a.printCause(c)
		}
	}
	switch {
	case !got.Complete && len(got.Causes) == 0:
		a.note("no error matches among the newest %s; --all looks through all", text.Plural(got.Looked, "row", "rows"))
	case !got.Complete:
		a.note("these are of the newest %s; --all counts all", text.Plural(got.Looked, "row", "rows"))
	case len(got.Causes) == 0:
		a.note("no error matches")
	case len(got.Causes) == l.limit:
		a.note("there may be more causes: --limit %d", 5*l.limit)
	}
	return err
}

func (a *app) printCause(c db.Cause) {
	status := c.Status
	if c.HTTPStatus != nil {
		status = fmt.Sprintf("%s, HTTP %d", c.Status, *c.HTTPStatus)
	}
	example := fmt.Sprintf("such as row %d: line %d of batch %d, asset %s", c.ID, c.Line, c.Batch, text.Line(c.AssetID))
	if c.Name != nil {
		example += fmt.Sprintf(" → %q", text.Cut(*c.Name, 60))
	}
	count := fmt.Sprintf("%9s × ", text.Number(c.Rows))
	fmt.Fprintln(a.Out, terminal.Fit(count+status+": "+text.Line(c.Error), terminal.Width(a.stdout.Writer)))
	fmt.Fprintln(a.Out, terminal.Fit(strings.Repeat(" ", len([]rune(count)))+example, terminal.Width(a.stdout.Writer)))
}

func (a *app) causesCSV(causes []db.Cause) error {
	w := csv.NewWriter(a.Out)
	_ = w.Write([]string{"rows", "status", "http_status", "error", "example_id", "example_batch", "example_line", "example_asset_id", "example_display_name"})
	for _, c := range causes {
		_ = w.Write([]string{ // its error stays for w.Error
			strconv.FormatInt(c.Rows, 10), c.Status, intText(c.HTTPStatus), intake.Neutralise(c.Error),
			strconv.FormatInt(c.ID, 10), strconv.FormatInt(c.Batch, 10), strconv.FormatInt(c.Line, 10),
			intake.Neutralise(c.AssetID), intake.Neutralise(text.Deref(c.Name)),
		})
	}
	w.Flush()
	return w.Error()
}
