package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
)

func (a *app) ruleShowCommand() *cobra.Command {
	return a.onRule("show", "Show a rule as the command that it was saved with", func(ctx context.Context, s *session, site db.Site, name string) error {
		saved, err := s.RuleByName(ctx, site.ID, name)
		if err != nil {
			return err
		}
		v := newRuleView(site, saved)
		if a.json {
			return a.result.print(v)
		}
		now, err := s.Now(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.Out, "relabel rename %s%s\n", v.Flags, report.SiteFlag(site.Name))
		a.note("saved %s by %s", text.Clock(v.SavedAt, now), v.SavedBy)
		return nil
	})
}
