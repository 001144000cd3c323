package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/load"
	"relabel/internal/report"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// noAsset is an id that no asset has. A read of it shows whether the API accepts the
// token, even if no real id is known.
const noAsset = "000000000000000000000000"

func (a *app) siteCheckCommand() *cobra.Command {
	return a.siteSubcommand("check", "Try the token with one read; nothing is changed", "no arguments; --site names the site", a.siteCheck)
}

func (a *app) siteCheck(ctx context.Context, s *session) error {
	cfg, err := a.namedSite(ctx, s, a.site)
	if err != nil {
		return err
	}
	reader, err := jobs.NewReader(ctx, jobs.ReaderConfig{DB: s.DB, Site: cfg, CallTimeout: a.cfg.CallTimeout, Logger: a.log})
	if err != nil {
		return err
	}
	defer reader.Close()
	var read webflow.GetSiteResult
	err = reader.Once(ctx, func(ctx context.Context) (_ webflow.Meta, err error) {
		read, err = readSomething(ctx, cfg)
		return read.Meta, err
	})
	if err == nil && read.Site.ID != "" {
		if err := load.KeepSite(ctx, s.DB, cfg.Site.ID, read.Site); err != nil {
			return err
		}
	}
	verdict, err := checkVerdict(cfg.Site.Name, err)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(map[string]string{"site": cfg.Site.Name, "token": "accepted", "detail": verdict})
	}
	fmt.Fprintln(a.Out, verdict)
	if cfg.Site.ParkedAt != nil {
		a.note("the site is parked; `relabel site resume%s` resumes it", report.SiteFlag(cfg.Site.Name))
	}
	return nil
}

// readSomething reads the site if its id is known, else an asset that does not exist:
// with a valid token the API answers 404.
func readSomething(ctx context.Context, cfg jobs.SiteConfig) (webflow.GetSiteResult, error) {
	if id := cfg.Site.WebflowSiteID; id != nil {
		return cfg.Client.GetSite(ctx, *id)
	}
	res, err := cfg.Client.GetAsset(ctx, webflow.GetAssetParams{AssetID: noAsset})
	return webflow.GetSiteResult{Meta: res.Meta}, err
}

// checkVerdict is what the response to a read says about the token.
func checkVerdict(site string, err error) (string, error) {
	var e *webflow.Error
	switch {
	case err == nil:
		return fmt.Sprintf("site %s: the API accepts the token", site), nil
	case !errors.As(err, &e):
		return "", err
	}
	switch e.Kind {
	case webflow.KindNotFound:
		return fmt.Sprintf("site %s: the API accepts the token", site), nil
	case webflow.KindForbidden:
		return fmt.Sprintf("site %s: the API accepts the token, but it may not read (403); the first call will show whether it may rename", site), nil
	case webflow.KindUnauthorized:
		return "", exitErr{exitParked, fmt.Sprintf("site %s: the API refuses the token (401): make a new one in the site's settings, with the scope assets:write", site)}
	}
	return "", fmt.Errorf("site %s: the token could not be tried: %w", site, err)
}
