package cli

import (
	"context"
	"fmt"
)

// siteResume resumes a site, whether it was parked or paused.
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
	text := fmt.Sprintf("site %s is resumed", a.site)
	if !wasParked && !wasPaused {
		text = fmt.Sprintf("site %s was neither parked nor paused", a.site)
	}
	return a.printSite(ctx, s, text)
}
