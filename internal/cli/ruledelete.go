package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

func (a *app) ruleDeleteCommand() *cobra.Command {
	return a.onRule("delete", "Delete a rule that no schedule uses", func(ctx context.Context, s *session, site db.Site, name string) error {
		if err := a.use(s).DeleteRule(ctx, actor(), site, name); err != nil {
			return s.namedUsers(ctx, site.Name, name, err)
		}
		if a.json {
			return a.result.print(removedJSON{name})
		}
		a.note("rule %s is deleted", name)
		return nil
	})
}

// namedUsers adds to ErrRuleUsed which schedules use the rule.
func (s *session) namedUsers(ctx context.Context, site, rule string, err error) error {
	if !errors.Is(err, db.ErrRuleUsed) {
		return err
	}
	list, listErr := scheduledb.List(ctx, s.DB, site)
	var users []string
	for _, one := range list {
		if text.Deref(one.Rule) == rule {
			users = append(users, one.Name)
		}
	}
	if listErr != nil || len(users) == 0 {
		return err
	}
	return fmt.Errorf("%w, %s: `relabel schedule edit` gives it another source, `relabel schedule remove` removes it", err, strings.Join(users, ", "))
}
