package cli

import (
	"context"
	"fmt"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/text"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// namedSite finds a site and its token.
func (a *app) namedSite(ctx context.Context, s *session, name string) (jobs.SiteConfig, error) {
	if err := noStandIn(name); err != nil {
		return jobs.SiteConfig{}, err
	}
	site, err := s.SiteByName(ctx, name)
	if err != nil {
		return jobs.SiteConfig{}, err
	}
	return a.siteConfig(site)
}

// realSite is siteConfig, but refuses the site of a stand-in: a real token must never
// be used for its rows.
func (a *app) realSite(site db.Site) (jobs.SiteConfig, error) {
	if err := noStandIn(site.Name); err != nil {
		return jobs.SiteConfig{}, err
	}
	return a.siteConfig(site)
}

// siteConfig is what workers need of a site: its settings and token, with the
// environment's defaults for settings that are not set.
func (a *app) siteConfig(site db.Site) (jobs.SiteConfig, error) {
	none := jobs.SiteConfig{}
	token, err := a.cfg.Token(config.TokenSource{Env: text.Deref(site.TokenEnv), File: text.Deref(site.TokenFile)})
	if err != nil {
		return none, fmt.Errorf("site %s: %w", site.Name, err)
	}
	rate := a.cfg.Rate
	if site.RateLimit != nil {
		if rate, err = config.ParseRate(*site.RateLimit); err != nil {
			return none, fmt.Errorf("site %s: rate limit: %w", site.Name, err)
		}
	}
	url, err := a.cfg.SiteURL(text.Deref(site.APIURL))
	if err != nil {
		return none, fmt.Errorf("site %s: %w", site.Name, err)
	}
	return a.siteWith(site, url, token, rate)
}

// siteWith makes a site's client. The token goes to url, which must be trusted: a site's
// own address comes from the database.
func (a *app) siteWith(site db.Site, url string, token webflow.Token, rate config.Rate) (jobs.SiteConfig, error) {
	protect(a.log, token)
	client, err := webflow.NewClient(webflow.Config{
		BaseURL: url, Token: token, LocaleIn: webflow.LocaleIn(text.Deref(site.LocaleIn)),
		Timeout: a.cfg.CallTimeout, Version: Version(), Transport: a.transport,
	})
	if err != nil {
		return jobs.SiteConfig{}, fmt.Errorf("site %s: %w", site.Name, err)
	}
	return jobs.SiteConfig{Site: site, Client: client, Metrics: a.metrics.Site(site.Name), Lane: db.LaneSettings{
		Fingerprint: token.Fingerprint(), Limit: rate.Calls, Window: rate.Window, Fixed: rate.Fixed,
	}}, nil
}
