package cli

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

func (a *app) resultsCommand() *cobra.Command {
	var p resultsParams
	cmd := &cobra.Command{
		Use:   "results BATCH",
		Short: "Every row of a batch and its outcome, as CSV or JSON lines",
		Long: `Writes the rows of a batch in input order, with the columns
` + strings.Join(intake.ResultsColumns(), ", ") + `.

The CSV is safe to open in a spreadsheet: a cell that would run as a formula gets a leading quote.
enqueue loads the file back unchanged. With -o FILE.xlsx it is an Excel workbook, whose cells are
all text. jsonl (also --json) has the exact values. A file named with -o is written completely or
not at all.`,
		Example: `  relabel results 7 -o results.csv
  relabel results 7 -o results.xlsx
  relabel results 7 --status failed,conflict --format jsonl
  relabel results 7 --status failed | relabel enqueue -`,
		Args:              batchArg(true),
		ValidArgsFunction: a.completeBatch(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.choose(a.json, cmd.Flags().Changed("format")); err != nil {
				return err
			}
			if err := p.check(); err != nil {
				return err
			}
			if err := a.mayWrite(cmd.Context(), p.file, p.overwrite); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.results(ctx, s, args[0], p)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&p.statuses, "status", nil, "only rows of these `STATUSES`: "+strings.Join(db.Words(db.Statuses()), ", "))
	f.StringVar(&p.format, "format", "csv", "`FORMAT`: csv or jsonl")
	f.StringVarP(&p.file, "output", "o", "", "write to this `FILE`, as an Excel workbook if it ends in .xlsx (default: standard output)")
	registerOverwrite(cmd, &p.overwrite)
	for flag, values := range map[string][]string{"status": db.Words(db.Statuses()), "format": {"csv", "jsonl"}} {
		completeWords(cmd, flag, values)
	}
	return cmd
}

type resultsParams struct {
	statuses     []string
	format, file string
	overwrite    bool
}

// choose sets the format by the flags and the name of the file.
func (p *resultsParams) choose(json, given bool) error {
	if p.format != report.FormatCSV && p.format != report.FormatJSONL {
		return usageError("--format is csv or jsonl, not %q", p.format)
	}
	workbook := report.FormatOf(p.file) == report.FormatXLSX
	switch {
	case workbook && (json || given):
		return usageError("-o %s writes an Excel workbook: give it without --format and --json, or name another file", p.file)
	case workbook:
		p.format = report.FormatXLSX
	case json && !given:
		p.format = report.FormatJSONL
	}
	return nil
}

func (p resultsParams) check() error {
	for _, s := range p.statuses {
		if !slices.Contains(db.Words(db.Statuses()), s) {
			return usageError("--status takes %[2]s, not %[1]q", s, strings.Join(db.Words(db.Statuses()), ", "))
		}
	}
	return nil
}

func (a *app) results(ctx context.Context, s *session, arg string, p resultsParams) error {
	id, err := batchNumber(arg)
	if err != nil {
		return err
	}
	if _, err := records.Batch(ctx, s.DB, id); err != nil {
		return err
	}
	rows := records.Results(ctx, s.DB, id, db.RowStatuses(p.statuses))
	if p.file == "" || p.file == "-" {
		_, err := report.WriteResults(a.Out, p.format, rows)
		return err
	}
	n, err := a.writeFile(ctx, p.file, func(w io.Writer) (int64, error) { return report.WriteResults(w, p.format, rows) })
	if err != nil {
		return err
	}
	a.note("%s written to %s", text.Plural(n, "row", "rows"), p.file)
	return nil
}
