package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
)

func (a *app) enqueueCommand() *cobra.Command {
	var src sourceFlags
	var r replaceFlags
	cmd := &cobra.Command{
		Use:   "enqueue SOURCE",
		Short: "Load a file or a query and queue it; print the batch number",
		Long: `Loads SOURCE as a batch for the workers (relabel work), and prints its number, alone, on
standard output. It needs no token, unless it has to read the site: with --snapshot, or when the
source has the column expected_name or locale, or names its assets. A locale_id makes it ask the
site once which locale is the primary one, where the token may read.

With --replace BATCH the new rows take the place of what is left of that batch: rows not sent yet
are replaced, removed or added, rows sent already are sent again only where they differ. The
difference is shown first, and nothing changes before you agree.

` + sourceHelp,
		Example: `  relabel enqueue names.csv
  BATCH=$(relabel enqueue names.csv) && relabel work --until-done && relabel results $BATCH
  some-export | relabel enqueue - --name nightly
  relabel enqueue corrected.csv --replace 7`,
		Args:              src.args,
		ValidArgsFunction: completeCSV,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(src.check(), src.notify.check(a), r.check(cmd)); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				if r.batch != 0 {
					return a.replace(ctx, s, src, r)
				}
				return a.enqueue(ctx, s, src)
			})
		},
	}
	src.register(cmd)
	src.registerSnapshot(cmd)
	src.notify.register(cmd)
	r.register(a, cmd)
	return cmd
}

func (a *app) enqueue(ctx context.Context, s *session, src sourceFlags) error {
	if err := noStandIn(a.site); err != nil {
		return err
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	id, err := a.loadQueued(ctx, s, site, src)
	if err != nil {
		return err
	}
	if !a.json {
		fmt.Fprintln(a.Out, id)
		return nil
	}
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	return a.result.print(v)
}

// loadQueued loads a source and queues it.
func (a *app) loadQueued(ctx context.Context, s *session, site db.Site, src sourceFlags) (int64, error) {
	l, err := a.newLoading(ctx, s, site, src)
	if err != nil {
		return 0, err
	}
	id, err := a.use(s).Enqueue(ctx, actor(), l.LoadParams, src.snapshot, l.reading)
	l.end()
	return id, err
}
