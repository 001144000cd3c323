package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/rule"
	"relabel/internal/text"
)

func (a *app) ruleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rule",
		Short: "List, show and delete the saved rules of a site",
		Long: `relabel rename --save NAME saves a rule for the site that --site names. relabel rename --rule NAME
makes a plan of it, and relabel schedule add NAME --rule NAME runs it at the times of a schedule.`,
		Example: `  relabel rule list
  relabel rule show tidy`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(a.ruleListCommand(), a.ruleShowCommand(), a.ruleDeleteCommand())
	return cmd
}

// onRule makes a command that takes the name of one rule of the site.
func (a *app) onRule(use, short string, run func(ctx context.Context, s *session, site db.Site, name string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, ValidArgsFunction: onlyFirst(a.completeRule()),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError("`%s` takes the NAME of one rule; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				site, err := s.SiteByName(ctx, a.site)
				if err != nil {
					return err
				}
				return run(ctx, s, site, args[0])
			})
		},
	}
}

// completeRule offers the names of the site's rules.
func (a *app) completeRule() cobra.CompletionFunc {
	return a.completeFrom(func(ctx context.Context, d *db.DB, _ *cobra.Command) (out []string, err error) {
		site, err := d.SiteByName(ctx, a.site)
		if err != nil {
			return nil, err
		}
		list, err := d.Rules(ctx, site.ID)
		for _, one := range list {
			out = append(out, one.Name+"\t"+text.Line(newRuleView(site, one).Flags))
		}
		return out, err
	})
}

// ruleView is a saved rule as commands print it.
type ruleView struct {
	Rule       string    `json:"rule"`
	Site       string    `json:"site"`
	Flags      string    `json:"flags"` // of relabel rename
	Definition rule.Rule `json:"definition"`
	SavedAt    time.Time `json:"saved_at"`
	SavedBy    string    `json:"saved_by"`
}

type rulesJSON struct {
	Rules []ruleView `json:"rules"`
}

// newRuleView shows a rule that this version can't read without its definition: using it
// says why.
func newRuleView(site db.Site, saved db.SavedRule) ruleView {
	v := ruleView{Rule: saved.Name, Site: site.Name, SavedAt: saved.SavedAt, SavedBy: saved.SavedBy}
	r, err := rule.Parse([]byte(saved.Definition))
	if err != nil {
		v.Flags = "can't be used: " + err.Error()
		return v
	}
	v.Definition, v.Flags = r, r.Flags()
	return v
}
