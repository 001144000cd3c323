package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/internal/config"
	"relabel/internal/load"
	"relabel/internal/report"
	"relabel/internal/standin"
	"relabel/internal/text"
	"relabel/jobs"
)

const (
	demoFile    = "relabel-demo.csv"
	demoResults = "relabel-demo-results.csv"

	demoRows    = 500
	demoUnknown = 4 // of them, assets that the site does not have
	demoTwice   = 2 // of them, targets that a later row names again

	// 500 calls at this limit take 16 s; with the faults' retries the demo is
	// done well within 40 s.
	demoLimit  = 60
	demoWindow = 2 * time.Second
)

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See it work on this machine alone: nothing else is needed",
		Long: `Runs relabel's main job on this machine alone: starts a private PostgreSQL and a stand-in
for Webflow's API with a limit and with faults (429, 500, broken connections), renames 500
assets from a sample CSV (` + demoFile + `), has a schedule put back a name that is
changed by hand, checks the outcome, and leaves the results in
` + demoResults + `. Nothing reaches Webflow, and no token is needed. A DATABASE_URL
is left alone; --database-url names another database to use.`,
		Args:              noArgs("no arguments"),
		ValidArgsFunction: completeNothing,
		RunE:              func(cmd *cobra.Command, _ []string) error { return a.demo(cmd.Context()) },
	}
}

func (a *app) demo(ctx context.Context) error {
	otherDatabase := a.cfg.DatabaseURL != a.databaseURL
	a.cfg.DatabaseURL = a.databaseURL
	server, err := startDemoAPI()
	if err != nil {
		return err
	}
	defer server.Close()
	if _, err := writeFile(demoFile, writeDemoRows); err != nil {
		return err
	}
	a.note("demo: a private PostgreSQL, a stand-in API (%d calls in %s, with faults), and %d rows in %s",
		demoLimit, text.Span(demoWindow), demoRows, demoFile)
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	site, release, err := a.standInSite(ctx, s, standIn{
		site: demoSite, url: server.URL(),
		rate: config.Rate{Calls: demoLimit, Window: demoWindow, Fixed: true},
	})
	if err != nil {
		return err
	}
	defer release()
	v, err := a.loadAndWork(ctx, s, site, runParams{
		src:  sourceFlags{path: demoFile, priority: load.DefaultPriority, force: true},
		work: workFlags{jobs.DefaultConcurrency, jobs.DefaultLimits()},
	})
	if err != nil {
		return err
	}
	if ctx.Err() == nil && v.Left()+v.Cancelled == 0 {
		if err := a.demoSchedule(ctx, s, server, site); err != nil {
			return err
		}
	}
	if otherDatabase {
		a.note("the demo is in the private PostgreSQL: unset DATABASE_URL to look at its batch")
	}
	return a.demoEnd(ctx, s, server, v)
}

func startDemoAPI() (*standin.Server, error) {
	server, err := standin.Start(standin.Config{
		Seed: uint64(time.Now().UnixNano()), Assets: demoRows, Limit: demoLimit, Window: demoWindow,
		Latency: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, Normalise: strings.TrimSpace,
		Chances: []standin.Chance{
			{P: 0.004, Fault: standin.RateLimited("1")},
			{P: 0.02, Fault: standin.Status(500)},
			{P: 0.01, Fault: standin.Gateway(502, "")},
			{P: 0.01, Fault: standin.ResetBeforeHeaders()},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("error starting the stand-in API: %w", err)
	}
	// One of each for certain, whatever chance does.
	server.FailAsset(standin.AssetID(100), standin.Status(500))
	server.FailAsset(standin.AssetID(200), standin.RateLimited("1"))
	server.FailAsset(standin.AssetID(300), standin.ResetBeforeHeaders())
	return server, nil
}

// demoRow is what row i wants: an asset and its name.
func demoRow(i int) (assetID, name string) {
	name = fmt.Sprintf("Autumn collection %03d.jpg", i)
	switch {
	case i < demoUnknown:
		return fmt.Sprintf("%024x", 0xdead0000+i), name
	case i < demoUnknown+demoTwice: // named again by the last rows
		return standin.AssetID(demoRows - 1 - (i - demoUnknown)), "older name of " + name
	case i == demoUnknown+demoTwice:
		return standin.AssetID(i), name + " " // the server will trim it
	}
	return standin.AssetID(i), name
}

func writeDemoRows(w io.Writer) (int64, error) {
	buf := bufio.NewWriter(w)
	fmt.Fprintln(buf, "asset_id,display_name")
	for i := range demoRows {
		id, name := demoRow(i)
		fmt.Fprintf(buf, "%s,%s\n", id, name)
	}
	return demoRows, buf.Flush()
}

// demoEnd checks the outcome against what the stand-in really holds.
func (a *app) demoEnd(ctx context.Context, s *session, server *standin.Server, v report.Batch) error {
	if v.Left()+v.Cancelled > 0 {
		return standInEnd(ctx, v)
	}
	if _, err := writeFile(demoResults, func(w io.Writer) (int64, error) {
		return report.WriteResults(w, "csv", s.Results(ctx, v.Batch, nil))
	}); err != nil {
		return err
	}
	if v.Failed != demoUnknown || v.Superseded != demoTwice || v.Succeeded != demoRows-demoUnknown-demoTwice {
		return fmt.Errorf("the demo did not come out as it should: %s", v.Counts())
	}
	for i := demoUnknown + demoTwice; i < demoRows; i++ {
		id, want := demoRow(i)
		if got := server.Name(id, ""); got != strings.TrimSpace(want) {
			return fmt.Errorf("the demo did not come out as it should: asset %s is named %q, not %q", id, got, want)
		}
	}
	if a.json {
		return nil
	}
	fmt.Fprintf(a.Out, `
All as it should be: %d assets have their new names (checked in the stand-in), %d rows name
assets that do not exist, %d were superseded by a later row. The results: %s

Your own site:
  export WEBFLOW_TOKEN=...                 a token with the scope assets:write
  relabel run names.csv --rehearse         your rows against the stand-in
  relabel run names.csv                    the real run
`, v.Succeeded, v.Failed, v.Superseded, demoResults)
	return nil
}
