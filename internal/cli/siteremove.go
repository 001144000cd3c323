package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/retention"
)

// removedSiteJSON is what `site remove` prints with --json.
type removedSiteJSON struct {
	Removed string            `json:"removed"`
	Rows    int64             `json:"rows"` // of all tables
	Tables  []retention.Count `json:"tables"`
}

func (a *app) siteRemoveCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a site with all its batches",
		Long: `Removes a site with its batches, rows, attempts, events, notices, saved rules, readings and the tokens
of the API that are for this site only. The audit log stays. Workers leave the site within some seconds.

All batches of the site must have ended, and no schedule may use it. The site "default" can't be
removed. It counts first and asks. Without a terminal, --yes is required. If it is interrupted, the
same command goes on. If rows are loaded meanwhile, these and the site stay.`,
		Example:           "  relabel site remove shop",
		ValidArgsFunction: onlyFirst(a.completeSite()),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("`%s` takes the NAME of one site; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			if cmd.Flags().Changed("site") {
				return usageError("`%s` takes the site as NAME, so omit --site", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.siteRemove(ctx, s, args[0], yes) })
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	return cmd
}

func (a *app) siteRemove(ctx context.Context, s *session, name string, yes bool) error {
	site, err := s.SiteByName(ctx, name)
	if err != nil {
		return err
	}
	if !yes {
		if ok, err := a.confirmRemoval(ctx, s, site); err != nil || !ok {
			return err
		}
	}
	out := removedSiteJSON{Removed: name}
	err = a.during(ctx, "removing site "+name, func() (err error) {
		out.Tables, err = a.use(s).RemoveSite(ctx, actor(), site)
		return err
	})
	out.Rows = retention.Total(out.Tables)
	if err != nil {
		return a.partly(err, out.Rows)
	}
	if a.json {
		return a.result.print(out)
	}
	a.note("site %s is removed, with %s", name, retention.Text(out.Tables))
	return nil
}

// confirmRemoval counts what goes, and asks.
func (a *app) confirmRemoval(ctx context.Context, s *session, site db.Site) (ok bool, err error) {
	var counts []retention.Count
	err = a.during(ctx, "counting what goes", func() (err error) {
		counts, err = a.use(s).SiteContents(ctx, site)
		return err
	})
	if err != nil {
		return false, err
	}
	return a.confirm(ctx, fmt.Sprintf("This goes: site %s, with %s. Remove it?", site.Name, retention.Text(counts)))
}

// removalAdvice is what a person can do about a site that can't be removed now.
func removalAdvice(e *db.SiteUsedError) string {
	var do []string
	for _, id := range e.Open {
		do = append(do, fmt.Sprintf("`relabel batch cancel %d`", id))
	}
	for _, name := range e.Schedules {
		do = append(do, fmt.Sprintf("`relabel schedule remove %s`", name))
	}
	if len(do) == 0 {
		return ". Run the same command again when that has ended"
	}
	return ". First: " + strings.Join(do, ", ")
}
