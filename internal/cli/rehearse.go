package cli

import (
	"context"
	"fmt"
	"time"

	"relabel/internal/config"
	"relabel/internal/rehearsal"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/jobs"
)

// noStandIn refuses the site of a stand-in where a real site is needed.
func noStandIn(site string) error {
	if !rehearsal.IsStandIn(site) {
		return nil
	}
	return usageError("--site: %s is for stand-ins (relabel demo, relabel run --rehearse): name another site", site)
}

// rehearse sends the user's rows to a stand-in. It has no limit unless
// WEBFLOW_RATE_LIMIT sets one: the user wants to see every row pass, not to wait.
func (a *app) rehearse(ctx context.Context, s *session, p runParams) error {
	rate := config.Rate{Window: time.Minute}
	if a.cfg.RateGiven {
		rate = a.cfg.Rate
	}
	server, err := rehearsal.Start(rate)
	if err != nil {
		return err
	}
	defer server.Close()
	a.note("rehearsal: these rows go to a stand-in on this machine, not to Webflow")
	site, release, err := a.standInSite(ctx, s, rehearsal.Site, server.URL(), rate)
	if err != nil {
		return err
	}
	defer release()
	v, err := a.loadAndWork(ctx, s, site, p)
	if err != nil {
		return err
	}
	return standInEnd(ctx, v)
}

// standInSite reserves a stand-in's site for this run.
func (a *app) standInSite(ctx context.Context, s *session, name, url string, rate config.Rate) (jobs.SiteConfig, func(), error) {
	lease, err := rehearsal.Take(ctx, s.DB, name, url)
	if err != nil {
		return jobs.SiteConfig{}, nil, err
	}
	cfg, err := a.siteWith(lease.Site, url, lease.Token, rate)
	if err != nil {
		lease.Release()
	}
	return cfg, lease.Release, err
}

// standInEnd is batchEnd for a batch that can't go on later.
func standInEnd(ctx context.Context, v report.Batch) error {
	if ctx.Err() != nil && v.Cancelled > 0 {
		return exitErr{exitError, fmt.Sprintf("stopped: the stand-in is gone, so the last %s of batch %d are cancelled",
			text.Plural(v.Cancelled, "row", "rows"), v.Batch)}
	}
	return batchEnd(v)
}
