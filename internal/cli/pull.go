package cli

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

type pullParams struct {
	file      string
	overwrite bool
	locales   []string
	folder    string
}

func (a *app) pullCommand() *cobra.Command {
	var p pullParams
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Write the site's assets as a CSV or Excel file, to edit and plan",
		Long: `Reads all assets of the site, 100 a call, and writes them as a CSV, or with -o FILE.xlsx as an
Excel workbook, with the columns
` + strings.Join(report.StatesHeader(), ", ") + `.

Edit names and alt texts in a spreadsheet and give the file to relabel plan: rows that are as
they were cost no call. In a CSV a cell that would run as a formula gets a quote before it, which
plan takes off again; in a workbook all cells are text. A file named with -o is written whole or
not at all.`,
		Example: `  relabel pull -o assets.xlsx
  relabel pull -o assets.csv
  relabel pull -o assets.csv --locales fr-FR,de-DE
  relabel pull -o team.csv --folder Team/2026
  relabel pull --locales all | gzip > assets.csv.gz`,
		Args:              noArgs("no arguments; --site names the site"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json && (p.file == "" || p.file == "-") {
				return usageError("--json reports the file that was written: give -o FILE")
			}
			if err := a.mayWrite(cmd.Context(), p.file, p.overwrite); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.pull(ctx, s, p)
			})
		},
	}
	cmd.Flags().StringVarP(&p.file, "output", "o", "", "write to this `FILE`, as an Excel workbook if it ends in .xlsx (default: standard output)")
	registerOverwrite(cmd, &p.overwrite)
	cmd.Flags().StringSliceVar(&p.locales, "locales", nil, "`LOCALES` by tag such as fr-FR, subdirectory or id; or all (default: the primary one)")
	cmd.Flags().StringVar(&p.folder, "folder", "", "only the assets of this `FOLDER`, a path such as Team/2026 or an id, and of all folders below it; / for the root alone")
	return cmd
}

// pulled is what a pull with --json prints.
type pulled struct {
	Site    string   `json:"site"`
	File    string   `json:"file"`
	Rows    int64    `json:"rows"`
	Locales []string `json:"locales"` // ids; empty for the primary one
	Reads   int64    `json:"reads"`
}

func (a *app) pull(ctx context.Context, s *session, p pullParams) error {
	if err := noStandIn(a.site); err != nil {
		return err
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	reading, done := a.reading(ctx, s, site.Name, step{})
	got, err := a.use(s).Pull(ctx, site, usecase.PullParams{Locales: p.locales, Folder: p.folder}, reading)
	done()
	if err != nil {
		return err
	}
	write := func(w io.Writer) (int64, error) { return report.WriteStates(w, report.FormatOf(p.file), got.States) }
	if p.file == "" || p.file == "-" {
		_, err := write(a.Out)
		return err
	}
	rows, err := a.writeFile(ctx, p.file, write)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(pulled{Site: site.Name, File: p.file, Rows: rows, Locales: got.Locales, Reads: got.Reads})
	}
	a.note("%s written to %s; edit them, then: relabel plan %s%s", text.Plural(rows, "row", "rows"), p.file, p.file, report.SiteFlag(site.Name))
	return nil
}
