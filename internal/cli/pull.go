package cli

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/load"
	"relabel/internal/plan"
	"relabel/internal/report"
	"relabel/internal/text"
)

type pullParams struct {
	file    string
	locales []string
}

func (a *app) pullCommand() *cobra.Command {
	var p pullParams
	cmd := &cobra.Command{
		Use:   "pull",
		Short: "Write the site's assets as a CSV, to edit and plan",
		Long: `Reads all assets of the site, 100 a call, and writes them as a CSV with the columns
` + strings.Join(report.StatesHeader(), ", ") + `.

Edit names and alt texts in a spreadsheet and give the file to relabel plan: rows that are as
they were cost no call. A cell that would run as a formula gets a quote before it, which plan
takes off again. A file named with -o is written whole or not at all.`,
		Example: `  relabel pull -o assets.csv
  relabel pull -o assets.csv --locales fr-FR,de-DE
  relabel pull --locales all | gzip > assets.csv.gz`,
		Args:              noArgs("no arguments; --site names the site"),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json && (p.file == "" || p.file == "-") {
				return usageError("--json reports the file that was written: give -o FILE")
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.pull(ctx, s, p)
			})
		},
	}
	cmd.Flags().StringVarP(&p.file, "output", "o", "", "write to this `FILE` (default: standard output)")
	cmd.Flags().StringSliceVar(&p.locales, "locales", nil, "`LOCALES` by tag such as fr-FR, subdirectory or id; or all (default: the primary one)")
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
	site, err := a.namedSite(ctx, s, a.site)
	if err != nil {
		return err
	}
	out := pulled{Site: site.Site.Name, File: p.file}
	var looked plan.Looked
	err = a.look(ctx, s, site.Site, func(planner *plan.Planner) (err error) {
		if out.Locales, err = pulledLocales(ctx, planner, p.locales); err == nil {
			looked, err = planner.LookAtSite(ctx, out.Locales)
		}
		return err
	})
	if err != nil {
		return readError(err)
	}
	out.Reads = looked.Reads
	write := func(w io.Writer) (int64, error) {
		return report.WriteStates(w, s.statesOf(ctx, site.Site.ID, out.Locales, looked))
	}
	if p.file == "" || p.file == "-" {
		_, err := write(a.Out)
		return err
	}
	if out.Rows, err = writeFile(p.file, write); err != nil {
		return err
	}
	if a.json {
		return a.result.print(out)
	}
	a.note("%s written to %s; edit them, then: relabel plan %s%s", text.Plural(out.Rows, "row", "rows"), p.file, p.file, report.SiteFlag(out.Site))
	return nil
}

// pulledLocales finds out the ids of the locales wanted: one call, unless it is
// the primary one alone.
func pulledLocales(ctx context.Context, p *plan.Planner, wanted []string) ([]string, error) {
	if len(wanted) == 0 {
		return []string{""}, nil
	}
	locales, err := load.ReadLocales(ctx, p.DB, p.Reader)
	if err != nil {
		return nil, err
	}
	if slices.Equal(wanted, []string{"all"}) {
		return locales.All(), nil
	}
	var ids []string
	for _, w := range wanted {
		id, err := locales.Resolve(w)
		if err != nil {
			return nil, fmt.Errorf("--locales %s: %w", w, err)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// statesOf streams one locale after the other.
func (s *session) statesOf(ctx context.Context, siteID int, locales []string, looked plan.Looked) iter.Seq2[db.AssetState, error] {
	return func(yield func(db.AssetState, error) bool) {
		for _, locale := range locales {
			for state, err := range s.States(ctx, siteID, locale, looked.Since) {
				if !yield(state, err) || err != nil {
					return
				}
			}
		}
	}
}
