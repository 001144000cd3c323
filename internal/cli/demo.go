package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"relabel/internal/demo"
	"relabel/internal/records"
	"relabel/internal/rehearsal"
	"relabel/internal/report"
	"relabel/internal/standin"
	"relabel/internal/text"
	"relabel/internal/usecase"
	"relabel/jobs"
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Try it on this machine alone: nothing else is needed",
		Long: `Runs relabel's main job on this machine alone: starts a private PostgreSQL and a stand-in
for Webflow's API with a limit and with faults (429, 500, broken connections), renames 500
assets from a sample CSV (` + demo.File + `), lets a schedule restore a name that is
changed by hand, checks the outcome, and writes the results to
` + demo.Results + `. Nothing reaches Webflow, and no token is needed. It does not use
DATABASE_URL; --database-url names another database.`,
		Args:              noArgs("no arguments"),
		ValidArgsFunction: completeNothing,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

func (a *app) demo(ctx context.Context) error {
	otherDatabase := a.cfg.DatabaseURL != a.databaseURL
	a.cfg.DatabaseURL = a.databaseURL
	server, err := demo.StartAPI()
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := writeFile(demo.File, demo.WriteRows); err != nil {
		return err
	}
	rate := demo.Rate()
	a.note("demo: a private PostgreSQL, a stand-in API (%d calls in %s, with faults), and %d rows in %s",
		rate.Calls, text.Span(rate.Window), demo.Rows, demo.File)
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	site, release, err := a.standInSite(ctx, s, rehearsal.DemoSite, server.URL(), rate)
	if err != nil {
		return err
	}
	defer release()
	v, err := a.demoWork(ctx, s, server, site)
	if err != nil {
		return err
	}
	if otherDatabase {
		a.note("the demo is in the private PostgreSQL: unset DATABASE_URL to see its batch")
	}
	return a.demoEnd(ctx, s, server, v)
}

// demoWork runs the sample CSV, and then, unless it was interrupted, the schedule.
func (a *app) demoWork(ctx context.Context, s *session, server *standin.Server, site jobs.SiteConfig) (report.Batch, error) {
	work := workFlags{concurrency: jobs.DefaultConcurrency, limits: jobs.DefaultLimits()}
	v, err := a.loadAndWork(ctx, s, site, runParams{
		src:  sourceFlags{path: demo.File, priority: usecase.DefaultPriority, force: true},
		work: work,
	})
	if err != nil || ctx.Err() != nil || v.Left()+v.Cancelled > 0 {
		return v, err
	}
	sched, err := demo.AddSchedule(ctx, s.DB, server, site.Site, a.note)
	if err != nil {
		return v, err
	}
	defer sched.Remove(ctx)
	a.cfg.SourceDirs = a.cfg.SourceDirs.With(sched.Dir())
	working, err := a.startWork(ctx, s, []jobs.SiteConfig{site}, work)
	if err != nil {
		return v, err
	}
	err = sched.Watch(ctx)
	if stopErr := a.stopWork(working); err == nil {
		err = stopErr
	}
	return v, err
}

// demoEnd checks the outcome and leaves the results.
func (a *app) demoEnd(ctx context.Context, s *session, server *standin.Server, v report.Batch) error {
	if v.Left()+v.Cancelled > 0 {
		return standInEnd(ctx, v)
	}
	if _, err := writeFile(demo.Results, func(w io.Writer) (int64, error) {
		return report.WriteResults(w, "csv", records.Results(ctx, s.DB, v.Batch, nil))
	}); err != nil {
		return err
	}
	if err := demo.Check(server, v); err != nil || a.json {
		return err
	}
	fmt.Fprintf(a.Out, `
All as it should be: %d assets have their new names (checked in the stand-in), %d rows name
assets that do not exist, %d were superseded by a later row. The results: %s

Your own site:
  export WEBFLOW_TOKEN=...                 a token with the scope assets:write
  relabel run names.csv --rehearse         your rows against the stand-in
  relabel run names.csv                    the real run
`, v.Succeeded, v.Failed, v.Superseded, demo.Results)
	return nil
}
