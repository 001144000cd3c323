package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/internal/terminal"
	"relabel/internal/text"
)

func (a *app) ruleListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the saved rules of the site",
		Args: noArgs("no arguments; --site names the site"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withSession(cmd.Context(), a.ruleList) },
	}
}

func (a *app) ruleList(ctx context.Context, s *session) error {
	site, err := s.SiteByName(ctx, a.site)
	if err != nil {
		return err
	}
	list, err := s.Rules(ctx, site.ID)
	if err != nil {
		return err
	}
	out := rulesJSON{Rules: make([]ruleView, 0, len(list))}
	for _, one := range list {
		out.Rules = append(out.Rules, newRuleView(site, one))
	}
	if a.json {
		return a.result.print(out)
	}
	if len(out.Rules) == 0 {
		a.note("no rules of site %s; `relabel rename --save NAME` saves one", site.Name)
		return nil
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	t := terminal.Table{Columns: []terminal.Column{{Name: "RULE", Need: 1}, {Name: "SAVED", Need: 3}, {Name: "FLAGS", Text: true}}}
	for _, v := range out.Rules {
		t.Rows = append(t.Rows, []string{v.Rule, text.Clock(v.SavedAt, now), v.Flags})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}
