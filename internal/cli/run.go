package cli

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/rehearsal"
	"relabel/internal/report"
	"relabel/internal/usecase"
	"relabel/jobs"
)

func (a *app) runCommand() *cobra.Command {
	var p runParams
	cmd := &cobra.Command{
		Use:   "run SOURCE",
		Short: "Load a file or a query, work until done, report",
		Long: `Loads SOURCE as a batch, works until every row has a final status, and reports.

` + sourceHelp + `

At the first Ctrl-C (SIGINT or SIGTERM) it makes no new calls, waits for those in flight,
and leaves the rest in the database: relabel work --until-done continues. At the second it
stops at once; within a minute of the next start, workers check what was in flight again.

Exit codes: 0 all rows done; 1 error, interrupted, or relabel paused the batch because too many rows
failed for the same cause; 3 done but some rows did not succeed; 4 the site is parked (the API refused
the token), or it stopped while the API kept failing.`,
		Example: `  relabel run names.csv
  relabel run names.csv --rehearse
  relabel run --sql 'SELECT asset_id, display_name FROM wanted' --name wanted
  zcat export.csv.gz | relabel run - --name "spring names"`,
		Args:              p.src.args,
		ValidArgsFunction: completeCSV,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmp.Or(p.check(cmd), p.src.notify.check(a)); err != nil {
				return err
			}
			return a.run(cmd.Context(), p)
		},
	}
	p.src.register(cmd)
	p.src.registerSnapshot(cmd)
	p.src.notify.register(cmd)
	p.work.register(cmd)
	cmd.Flags().BoolVar(&p.plan, "plan", false, "show first what would change, and ask")
	cmd.Flags().BoolVarP(&p.yes, "yes", "y", false, "with --plan: don't ask")
	cmd.Flags().BoolVar(&p.rehearse, "rehearse", false, "send these rows to a stand-in API on this machine: nothing reaches Webflow")
	return cmd
}

type runParams struct {
	src      sourceFlags
	work     workFlags
	rehearse bool
	plan     bool
	yes      bool
}

func (p *runParams) check(cmd *cobra.Command) error {
	if err := p.src.check(); err != nil {
		return err
	}
	if p.rehearse && (p.plan || p.src.snapshot) {
		return usageError("--rehearse has no site to read: omit --plan and --snapshot")
	}
	if p.rehearse && cmd.Flags().Changed("site") {
		return usageError("--rehearse sends to a stand-in on this machine, not to a site: omit --site")
	}
	if p.rehearse && len(p.src.notify.urls) > 0 {
		return usageError("--rehearse sends no notices: omit --notify")
	}
	p.src.force = p.src.force || p.rehearse // an earlier rehearsal's record says nothing of the site
	return p.work.check()
}

func (a *app) run(ctx context.Context, p runParams) error {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if p.rehearse {
		return a.rehearse(ctx, s, p)
	}
	site, err := a.namedSite(ctx, s, a.site)
	if err != nil {
		return err
	}
	defer a.startNotices(ctx, s.DB, func() []int { return []int{site.Site.ID} }).Stop()
	v, err := a.loadAndWork(ctx, s, site, p)
	if err != nil {
		return err
	}
	return batchEnd(v)
}

// loadAndWork loads before it starts workers, so that an invalid source starts none. A
// signal is no error here: the batch that it returns shows what is left.
func (a *app) loadAndWork(ctx context.Context, s *session, site jobs.SiteConfig, p runParams) (report.Batch, error) {
	id, err := a.loadToRun(ctx, s, site.Site, p)
	if err != nil {
		return report.Batch{}, err
	}
	a.note("batch %d is loaded", id)
	pool, err := a.startPool(ctx, s, []jobs.SiteConfig{site}, p.work)
	if err != nil {
		return report.Batch{}, fmt.Errorf("batch %d is loaded, but: %w", id, err)
	}
	followErr := a.follow(ctx, s, id, pool.Idle(), func(v report.Batch) bool { return v.ParkedReason != nil || v.Held() })
	if err := a.stopPool(pool); err != nil {
		return report.Batch{}, err
	}
	if followErr != nil && ctx.Err() == nil {
		return report.Batch{}, followErr
	}
	ctx = context.WithoutCancel(ctx)
	if rehearsal.IsStandIn(site.Site.Name) { // after a signal nobody can continue: the stand-in ends with us
		if err := s.Abandon(ctx, site.Site.ID, "the stand-in is gone"); err != nil {
			return report.Batch{}, err
		}
	}
	return a.summarise(ctx, s, id)
}

// loadToRun loads a source and queues it; with --plan it shows first what would
// change, and asks.
func (a *app) loadToRun(ctx context.Context, s *session, site db.Site, p runParams) (int64, error) {
	if !p.plan {
		return a.loadQueued(ctx, s, site, p.src)
	}
	made, err := a.makePlan(ctx, s, site, p.src)
	if err != nil {
		return 0, err
	}
	if !a.json {
		if err := a.printLoaded(ctx, s, made.Summary); err != nil {
			return 0, err
		}
	}
	if err := a.agree(ctx, made.Summary, p.yes); err != nil {
		return 0, err
	}
	if made.Status == db.BatchDone {
		return made.Batch, nil // it had nothing to change
	}
	return made.Batch, a.use(s).Apply(ctx, actor(), usecase.ApplyParams{BatchID: made.Batch, AsShown: true})
}
