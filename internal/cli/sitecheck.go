package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/load"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// noAsset is an id that no asset has: asking for it tells whether the token is
// taken, where nothing better is known to ask for.
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
		a.note("the site is parked; `relabel site resume%s` goes on", report.SiteFlag(cfg.Site.Name))
	}
	return nil
}

// readSomething asks for the site when its id is known, else for an asset that
// does not exist: a token that is taken is told 404.
func readSomething(ctx context.Context, cfg jobs.SiteConfig) (webflow.GetSiteResult, error) {
	if id := cfg.Site.WebflowSiteID; id != nil {
		return cfg.Client.GetSite(ctx, *id)
	}
	res, err := cfg.Client.GetAsset(ctx, webflow.GetAssetParams{AssetID: noAsset})
	return webflow.GetSiteResult{Meta: res.Meta}, err
}

// checkVerdict tells what the answer to a read says of the token.
func checkVerdict(site string, err error) (string, error) {
	var e *webflow.Error
	switch {
	case err == nil:
		return fmt.Sprintf("site %s: the API takes the token", site), nil
	case !errors.As(err, &e):
		return "", err
	}
	switch e.Kind {
	case webflow.KindNotFound:
		return fmt.Sprintf("site %s: the API takes the token", site), nil
	case webflow.KindForbidden:
		return fmt.Sprintf("site %s: the API knows the token, which may not read (403); whether it may rename shows with the first call", site), nil
	case webflow.KindUnauthorized:
		return "", exitErr{exitParked, fmt.Sprintf("site %s: the API refuses the token (401): make a new one in the site's settings, with the scope assets:write", site)}
	}
	return "", fmt.Errorf("site %s: the token could not be tried: %w", site, err)
}

func (a *app) sitePauseCommand() *cobra.Command {
	return a.siteSubcommand("pause", "Send nothing for the site until site resume", "no arguments; --site names the site", a.sitePause)
}

func (a *app) sitePause(ctx context.Context, s *session) error {
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	err = a.auditedSite(ctx, s, "pause", func(ctx context.Context) error {
		_, err := s.PauseSite(ctx, site.ID, true)
		return err
	})
	if err != nil {
		return err
	}
	return a.printSite(ctx, s, fmt.Sprintf("site %s is paused; `relabel site resume%s` goes on", a.site, report.SiteFlag(a.site)))
}

// siteResume lets a site go on, whether it was parked or paused.
func (a *app) siteResume(ctx context.Context, s *session) error {
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	var wasParked, wasPaused bool
	err = a.auditedSite(ctx, s, "resume", func(ctx context.Context) (err error) {
		if wasParked, err = s.UnparkSite(ctx, site.ID); err == nil {
			wasPaused, err = s.PauseSite(ctx, site.ID, false)
		}
		return err
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("site %s goes on", a.site)
	if !wasParked && !wasPaused {
		text = fmt.Sprintf("site %s was neither parked nor paused", a.site)
	}
	return a.printSite(ctx, s, text)
}

// auditedSite changes the site that --site names, with its row in the log.
func (a *app) auditedSite(ctx context.Context, s *session, action string, act func(context.Context) error) error {
	return a.audited(ctx, s, db.AuditEntry{Action: action, Subject: "site " + a.site}, func(ctx context.Context) (int64, error) {
		return -1, act(ctx)
	})
}

func siteState(s db.Site) string {
	switch {
	case s.ParkedAt != nil:
		return "parked: " + text.Deref(s.ParkedReason)
	case s.PausedAt != nil:
		return "paused"
	case s.BreakerOpen:
		return "its API fails: " + text.Deref(s.BreakerError)
	case s.RefusedIn != nil:
		return "ready; " + report.Refused(*s.RefusedIn)
	}
	return "ready"
}
