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
	changed, err := a.use(s).ResumeSite(ctx, actor(), site)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("site %s is resumed", a.site)
	if !changed {
		text = fmt.Sprintf("site %s was neither parked nor paused", a.site)
	}
	return a.printSite(ctx, s, text)
}
