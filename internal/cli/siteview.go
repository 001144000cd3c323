package cli

import (
	"context"
	"time"

	"relabel/internal/report"
	"relabel/internal/text"
)

// siteStateText is the state for people: of a parked site also since when, and what to do.
func siteStateText(v report.SiteView) string {
	if v.ParkedAt != nil {
		return report.ParkedSince(v.Site, text.Deref(v.ParkedReason), *v.ParkedAt, time.Now())
	}
	return v.State
}

// printSite ends a command that changed a site. It prints the site (with --json) or
// what happened.
func (a *app) printSite(ctx context.Context, s *session, text string) error {
	if !a.json {
		a.note("%s", text)
		return nil
	}
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	v, err := report.ReadSite(ctx, s.DB, site)
	if err != nil {
		return err
	}
	return a.result.print(v)
}
