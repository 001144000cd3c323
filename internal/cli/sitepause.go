package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/internal/report"
)

func (a *app) sitePauseCommand() *cobra.Command {
	return a.siteSubcommand("pause", "Pause a site: send nothing for it until relabel site resume", "no arguments; --site names the site", a.sitePause)
}

func (a *app) sitePause(ctx context.Context, s *session) error {
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	if err := a.use(s).PauseSite(ctx, actor(), site); err != nil {
		return err
	}
	return a.printSite(ctx, s, fmt.Sprintf("site %s is paused; `relabel site resume%s` resumes it", a.site, report.SiteFlag(a.site)))
}
