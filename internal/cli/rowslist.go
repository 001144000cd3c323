package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// maxListed is the longest page that can be read within 150 ms.
const maxListed = 5_000

type listFlags struct {
	sort, cursor string
	limit        int
	csv          bool
	all          bool // search all rows, however long it takes
}

func (a *app) rowsListCommand() *cobra.Command {
	var r rowFlags
	var l listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Rows by filter, a page at a time, with their River jobs' state",
		Long: `Lists the rows that match all given filters, of all sites unless --site is given.

A page searches at most 50,000 rows, so that it is fast in a table of any size. If few rows
match, a page may have few rows or none. It then prints how far it searched, and --cursor
continues from there.`,
		Example: `  relabel rows list --batch 7 --status failed
  relabel rows list --http 404 --since 2h --csv
  relabel rows list --name 'autumn' --status pending --sort oldest`,
		Args: noArgs("no arguments, but options"), ValidArgsFunction: completeNothing,
		RunE: a.showRows(&r, &l, a.rowsList),
	}
	r.add(a, cmd, db.Words(db.Statuses()))
	flags := cmd.Flags()
	flags.StringVar(&l.sort, "sort", "", "`ORDER`: newest, oldest, or ended (the last to end first; only rows that have ended)\n(default: ended if the filter matches only ended rows, else newest)")
	flags.IntVar(&l.limit, "limit", 50, "at most `N` rows")
	flags.StringVar(&l.cursor, "cursor", "", "continue from this `PLACE`, which the page before printed")
	flags.BoolVar(&l.csv, "csv", false, "print CSV, with all columns")
	completeWords(cmd, "sort", records.RowSorts())
	return cmd
}

// showRows runs a command that shows the rows of a filter in some way.
func (a *app) showRows(
	r *rowFlags, l *listFlags, show func(context.Context, *session, records.RowFilter, listFlags) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		f, err := r.check(cmd, a, db.Words(db.Statuses()), time.Now())
		if err == nil {
			err = l.check(a.json)
		}
		if err != nil {
			return err
		}
		return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return show(ctx, s, f, *l) })
	}
}

func (l listFlags) check(json bool) error {
	switch {
	case l.sort != "" && !slices.Contains(records.RowSorts(), l.sort):
		return usageError("--sort is newest, oldest or ended, not %q", l.sort)
	case l.limit < 1 || l.limit > maxListed:
		return usageError("--limit is 1 to %s, not %d", text.Number(maxListed), l.limit)
	case l.csv && json:
		return usageError("--csv and --json: give one of them")
	}
	return nil
}

func (a *app) rowsList(ctx context.Context, s *session, f records.RowFilter, l listFlags) error {
	page, err := records.Rows(ctx, s.DB, records.RowQuery{RowFilter: f, Sort: records.RowSort(l.sort), Cursor: l.cursor, Limit: l.limit})
	switch {
	case err != nil:
		return filterUsage(err)
	case a.json:
		return a.result.print(report.NewRowList(page))
	case l.csv:
		err = a.rowsCSV(page.Rows)
	case len(page.Rows) > 0:
		rowTable(page.Rows).Print(a.Out, terminal.Width(a.stdout.Writer))
	}
	a.pageNote(page)
	return err
}

// pageNote prints how many rows match and how to get the next page.
func (a *app) pageNote(p records.RowPage) {
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
	case p.Full && p.Total == nil:
		a.note("%s, and there may be more; the next page: --cursor %s", shown, p.Next)
	case p.Full:
		a.note("%s; the next page: --cursor %s", shown, p.Next)
	default:
		a.note("searched %s of %s, %s; to continue: --cursor %s",
			text.Number(p.Looked), text.Plural(p.Of, "row", "rows"), shown, p.Next)
	}
}

// rowTable is a page as a table. A narrow terminal shows the most important columns.
func rowTable(rows []records.Row) terminal.Table {
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
			string(r.Status), text.Deref(r.JobState), text.Number(int64(r.Attempts)), intText(r.HTTPStatus), ended, text.Line(rowText(r)),
		})
	}
	return t
}

// rowText is the error of a row, if it has one, else its name.
func rowText(r records.Row) string {
	switch {
	case r.Error != nil && r.Status != db.RowSucceeded:
		return *r.Error
	case r.DisplayName == nil:
		return "(alt text only)"
	case r.AppliedName != nil && *r.AppliedName != *r.DisplayName:
		return *r.DisplayName + " → stored as " + *r.AppliedName
	}
	return *r.DisplayName
}
