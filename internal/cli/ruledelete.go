package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/db"
)

func (a *app) ruleDeleteCommand() *cobra.Command {
	return a.onRule("delete", "Delete a rule that no schedule uses", func(ctx context.Context, s *session, site db.Site, name string) error {
		if err := a.use(s).DeleteRule(ctx, actor(), site, name); err != nil {
			return err
		}
		if a.json {
			return a.result.print(removedJSON{name})
		}
		a.note("rule %s is deleted", name)
		return nil
	})
}
