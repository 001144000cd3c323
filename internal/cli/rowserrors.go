package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

func (a *app) rowsErrorsCommand() *cobra.Command {
	var r rowFlags
	var l listFlags
	cmd := &cobra.Command{
		Use:   "errors",
		Short: "Failures by cause, with their counts and an example of each",
		Long: `Groups the failed, conflicting and invalid rows (or those of --status that have an error) by
cause, the most frequent first. To be fast it searches the newest 30,000 of them, and says so
if there are more. --all searches all of them: about two seconds for a million.`,
		Example: "  relabel rows errors --batch 7\n  relabel rows errors --since 1h\n  relabel rows errors --all",
		Args:    noArgs("no arguments, but options"), ValidArgsFunction: completeNothing,
		RunE: a.showRows(&r, &l, a.rowsErrors),
	}
	r.add(a, cmd, db.Words(db.Statuses()))
	cmd.Flags().IntVar(&l.limit, "limit", 20, "at most `N` causes")
	cmd.Flags().BoolVar(&l.csv, "csv", false, "print CSV")
	cmd.Flags().BoolVar(&l.all, "all", false, "search all rows, not only the newest 30,000")
	return cmd
}

func (a *app) rowsErrors(ctx context.Context, s *session, f records.RowFilter, l listFlags) error {
	find := records.RowErrors
	if l.all {
		find = records.AllRowErrors
	}
	var got records.Causes
	err := a.during(ctx, "searching the rows", func() (err error) {
		got, err = find(ctx, s.DB, f, l.limit)
		return err
	})
	switch {
	case err != nil:
		return filterUsage(err)
	case a.json:
		return a.result.print(newCausesJSON(got))
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
		a.note("no error matches among the newest %s; --all searches all", text.Plural(got.Looked, "row", "rows"))
	case !got.Complete:
		a.note("these are of the newest %s; --all counts all", text.Plural(got.Looked, "row", "rows"))
	case len(got.Causes) == 0:
		a.note("no error matches")
	case len(got.Causes) == l.limit:
		a.note("there may be more causes: --limit %d", 5*l.limit)
	}
	return err
}

func (a *app) printCause(c records.Cause) {
	status := string(c.Status)
	if c.HTTPStatus != nil {
		status = fmt.Sprintf("%s, HTTP %d", c.Status, *c.HTTPStatus)
	}
	example := fmt.Sprintf("such as row %d: line %d of batch %d", c.ID, c.Line, c.Batch)
	if c.AssetID != "" {
		example += ", asset " + text.Line(c.AssetID)
	}
	if c.Name != nil {
		example += fmt.Sprintf(" → %q", text.Cut(*c.Name, 60))
	}
	count := fmt.Sprintf("%9s × ", text.Number(c.Rows))
	fmt.Fprintln(a.Out, terminal.Fit(count+status+": "+text.Line(c.Error), terminal.Width(a.stdout.Writer)))
	fmt.Fprintln(a.Out, terminal.Fit(strings.Repeat(" ", len([]rune(count)))+example, terminal.Width(a.stdout.Writer)))
}
