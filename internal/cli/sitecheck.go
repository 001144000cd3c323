package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/report"
	"relabel/internal/siteread"
	"relabel/internal/webflow"
)

func (a *app) siteCheckCommand() *cobra.Command {
	return a.siteSubcommand("check", "Try the token with one read; nothing is changed", "no arguments; --site names the site", a.siteCheck)
}

func (a *app) siteCheck(ctx context.Context, s *session) error {
	cfg, err := a.namedSite(ctx, s, a.site)
	if err != nil {
		return err
	}
	reader, err := siteread.New(ctx, siteread.Config{DB: s.DB, Site: cfg, CallTimeout: a.cfg.CallTimeout, Logger: a.log})
	if err != nil {
		return err
	}
	defer reader.Close()
	reading, done := a.reading(ctx, s, cfg.Site.Name, step{})
	reading.Progress(0, 1)
	verdict, err := checkVerdict(cfg.Site.Name, reader.Try(ctx))
	done()
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(siteCheckJSON{cfg.Site.Name, "accepted", verdict})
	}
	fmt.Fprintln(a.Out, verdict)
	if cfg.Site.ParkedAt != nil {
		a.warn("the site is parked; `relabel site resume%s` resumes it", report.SiteFlag(cfg.Site.Name))
	}
	return nil
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
		return fmt.Sprintf("site %s: the API accepts the token, but it may not read (403); the first call will show whether it may rename; plan, undo, verify and pull need the scope assets:read", site), nil
	case webflow.KindUnauthorized:
		return "", exitErr{exitParked, fmt.Sprintf("site %s: the API refuses the token (401): make a new one in the site's settings, with the scope assets:write", site)}
	}
	return "", fmt.Errorf("site %s: the token could not be tried: %w", site, err)
}
