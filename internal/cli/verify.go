package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

type verifyParams struct {
	file      string
	overwrite bool
	found     []string
}

func (a *app) verifyCommand() *cobra.Command {
	var p verifyParams
	cmd := &cobra.Command{
		Use:   "verify BATCH",
		Short: "Check whether the site still has what a batch sent",
		Long: `Reads the site once (100 assets a call, or asset by asset where that is cheaper) and compares
it with the rows of a batch that succeeded: as asked; normalised by Webflow; renamed since by a
later batch; changed by somebody else; gone. -o writes a row for each as CSV, or as an Excel
workbook if FILE ends in .xlsx; run FILE --force sends the values again. The exit code is 3 when
something is changed or gone.`,
		Example: `  relabel verify 7
  relabel verify 7 -o verified.xlsx
  relabel verify 7 --found changed -o changed.csv && relabel run changed.csv --force`,
		Args:              batchArg(true),
		ValidArgsFunction: a.completeBatch(),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, f := range p.found {
				if !slices.Contains(db.Found(), f) {
					return usageError("--found: not %q, but %s", f, strings.Join(db.Found(), ", "))
				}
			}
			if a.json && p.file == "-" {
				return usageError("--json and -o - both want standard output: name a file")
			}
			if len(p.found) > 0 && p.file == "" {
				return usageError("--found chooses rows for a file: give -o FILE")
			}
			if err := a.mayWrite(cmd.Context(), p.file, p.overwrite); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.verify(ctx, s, args[0], p)
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&p.file, "output", "o", "", "write the rows to this `FILE`, as CSV, or as an Excel workbook if it ends in .xlsx")
	registerOverwrite(cmd, &p.overwrite)
	f.StringSliceVar(&p.found, "found", nil, "write only rows with these `FINDINGS`: "+strings.Join(db.Found(), ", "))
	completeWords(cmd, "found", db.Found())
	return cmd
}

func (a *app) verify(ctx context.Context, s *session, arg string, p verifyParams) error {
	id, err := batchNumber(arg)
	if err != nil {
		return err
	}
	site, err := s.siteOf(ctx, id)
	if err != nil {
		return err
	}
	reading, done := a.reading(ctx, s, site, comparing())
	v, err := a.use(s).Verify(ctx, id, reading)
	done()
	if err != nil {
		return err
	}
	if err := a.reportVerified(ctx, s, v, p); err != nil {
		return err
	}
	if v.Changed+v.Gone > 0 {
		return exitErr{exitTrouble, fmt.Sprintf("%s not hold any more what batch %d sent",
			text.Plural(v.Changed+v.Gone, "asset does", "assets do"), id)}
	}
	return nil
}

func (a *app) reportVerified(ctx context.Context, s *session, v usecase.Verified, p verifyParams) error {
	write := func(w io.Writer) (int64, error) {
		return report.WriteFindings(w, report.FormatOf(p.file), s.Findings(ctx, v.Batch, v.ReadAt, p.found, 0))
	}
	if p.file == "-" {
		_, err := write(a.Out)
		return err
	}
	if p.file != "" {
		n, err := a.writeFile(ctx, p.file, write)
		if err != nil {
			return err
		}
		a.note("%s written to %s", text.Plural(n, "row", "rows"), p.file)
	}
	if a.json {
		return a.result.print(v)
	}
	printVerified(a.Out, v, p.file != "")
	return nil
}

func printVerified(w io.Writer, v usecase.Verified, written bool) {
	if v.Rows == 0 {
		fmt.Fprintf(w, "Batch %d %q on site %s: none of its rows succeeded, so there is nothing to verify\n", v.Batch, v.Name, v.Site)
		return
	}
	fmt.Fprintf(w, "Batch %d %q on site %s: of %s that succeeded\n", v.Batch, v.Name, v.Site, text.Plural(v.Rows, "row", "rows"))
	for _, c := range []struct {
		n    int64
		what string
	}{
		{v.Asked, "as asked"},
		{v.Normalised, "normalised by Webflow"},
		{v.Renamed, "renamed since by a later batch"},
		{v.Changed, "changed by somebody else"},
		{v.Gone, "gone"},
	} {
		if c.n > 0 {
			fmt.Fprintf(w, "  %s %s\n", text.Number(c.n), c.what)
		}
	}
	fmt.Fprintf(w, "  read %s\n", readWay(v.ReadBy, v.Reads))
	for _, f := range v.Examples {
		fmt.Fprintf(w, "    line %d, %s: %s\n", f.Line, target(f.AssetID, f.LocaleID), findingText(f))
	}
	if v.Asked < v.Rows && !written {
		fmt.Fprintf(w, "  next: relabel verify %d -o verified.csv\n", v.Batch)
	}
}

func findingText(f db.Finding) string {
	switch f.Found {
	case "gone":
		return fmt.Sprintf("gone; it was to be %q", text.Cut(text.Deref(f.DisplayName), maxShownName))
	case "renamed":
		return fmt.Sprintf("batch %d made it %s", *f.ByBatch, findingChange(f))
	}
	return f.Found + ": " + findingChange(f)
}

// findingChange is what was asked for → what is.
func findingChange(f db.Finding) string {
	var parts []string
	if f.DisplayName != nil && *f.DisplayName != text.Deref(f.FoundName) {
		parts = append(parts, oldNew(f.DisplayName, f.FoundName))
	}
	if f.AltText != nil && *f.AltText != text.Deref(f.FoundAltText) {
		parts = append(parts, "alt text "+oldNew(f.AltText, f.FoundAltText))
	}
	return strings.Join(parts, ", ")
}
