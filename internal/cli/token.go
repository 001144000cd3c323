package cli

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// maxTokenLife makes people renew a token at least once in ten years.
const maxTokenLife = 3650 * 24 * time.Hour

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Tokens of the API for machines: create, list, revoke",
		Long: `Programs need a token for the API of relabel serve, /api/v1, which docs/api.md describes. These
tokens have nothing to do with those of Webflow.`,
		Example: `  relabel token create n8n --role write
  relabel token create dashboards --expires 400d --site shop
  relabel token list`,
		Args: noCommand,
		RunE: showHelp,
	}
	cmd.AddCommand(a.tokenCreateCommand(), a.tokenListCommand(), a.tokenRevokeCommand())
	return cmd
}

type tokenFlags struct {
	role, expires string
	life          time.Duration
	site          string // empty: all
}

func (a *app) tokenCreateCommand() *cobra.Command {
	var f tokenFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and print it once",
		Long: `Prints a new token alone on standard output. It is shown only once: relabel stores a hash of it.
The audit log has NAME for each change made with it. With --site it may see and change only
that site.`,
		Example:           "  relabel token create n8n --role write --expires 90d\n  relabel token create grafana --site shop > token",
		Args:              tokenArg,
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("site") {
				f.site = a.site
			}
			if err := f.check(args[0]); err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.tokenCreate(ctx, s, args[0], f) })
		},
	}
	cmd.Flags().StringVar(&f.role, "role", string(db.TokenRead), "`ROLE`: read, or write, which may also load and change things")
	cmd.Flags().StringVar(&f.expires, "expires", "90d", "how long it works, as an `AGE` such as 90d, at most 3650d")
	completeWords(cmd, "role", db.Words(db.TokenRoles()))
	return cmd
}

// tokenArg takes the name of a token.
func tokenArg(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("`%s` takes the NAME of one token; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
	}
	return nil
}

// tokenName is what the audit log and lists can show in a line.
var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$`)

func (f *tokenFlags) check(name string) error {
	life, ok := duration(f.expires)
	switch {
	case !tokenName.MatchString(name):
		return usageError("a token's name has up to 40 letters, digits, dots, dashes and underscores, not %q", name)
	case !slices.Contains(db.TokenRoles(), db.TokenRole(f.role)):
		return usageError("--role is read or write, not %q", f.role)
	case !ok || life <= 0 || life > maxTokenLife:
		return usageError("--expires takes an age such as 90d or 12h, at most 3650d, not %q", f.expires)
	}
	f.life = life
	return nil
}

// newTokenJSON is a token with its secret.
type newTokenJSON struct {
	db.Token
	Secret string `json:"token"`
}

func (a *app) tokenCreate(ctx context.Context, s *session, name string, f tokenFlags) error {
	p := db.NewToken{Name: name, Role: db.TokenRole(f.role), Life: f.life}
	if f.site != "" {
		site, err := s.SiteByName(ctx, f.site)
		if err != nil {
			return err
		}
		p.SiteID = &site.ID
	}
	var secret string
	detail := fmt.Sprintf("role %s, for %s, of %s", f.role, f.expires, cmp.Or(f.site, "all sites"))
	err := a.audited(ctx, s, records.AuditEntry{Action: "create", Subject: "token " + name, Detail: detail}, func(ctx context.Context) (_ int64, err error) {
		secret, err = s.CreateToken(ctx, p)
		return -1, err
	})
	if err != nil {
		return err
	}
	t, err := s.TokenByName(ctx, name)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(newTokenJSON{t, secret})
	}
	fmt.Fprintln(a.Out, secret)
	a.note("token %s may %s until %s; it is shown only now", name, f.role, t.ExpiresAt.Local().Format("2 Jan 2006 15:04"))
	return nil
}

type tokensJSON struct {
	Tokens []db.Token `json:"tokens"`
}

func (a *app) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all tokens: what they may do, until when, and their last use",
		Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withSession(cmd.Context(), a.tokenList) },
	}
}

func (a *app) tokenList(ctx context.Context, s *session) error {
	list, err := s.Tokens(ctx)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(tokensJSON{list})
	}
	if len(list) == 0 {
		a.note("no tokens; `relabel token create NAME` makes one")
		return nil
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	t := terminal.Table{Columns: []terminal.Column{
		{Name: "TOKEN", Need: 1}, {Name: "STATE", Need: 2}, {Name: "ROLE", Need: 3}, {Name: "SITE", Need: 6}, {Name: "EXPIRES", Need: 4}, {Name: "LAST USED", Text: true},
	}}
	for _, one := range list {
		used := "never"
		if one.LastUsedAt != nil {
			used = text.Clock(*one.LastUsedAt, now)
		}
		t.Rows = append(t.Rows, []string{one.Name, one.State, string(one.Role), cmp.Or(text.Deref(one.Site), "all"), one.ExpiresAt.Local().Format("2006-01-02 15:04"), used})
	}
	t.Print(a.Out, terminal.Width(a.stdout.Writer))
	return nil
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "End a token for good; requests with it fail from now on",
		Args: tokenArg, ValidArgsFunction: a.completeToken(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error { return a.tokenRevoke(ctx, s, args[0]) })
		},
	}
}

func (a *app) tokenRevoke(ctx context.Context, s *session, name string) error {
	err := a.audited(ctx, s, records.AuditEntry{Action: "revoke", Subject: "token " + name}, func(ctx context.Context) (int64, error) {
		return -1, s.RevokeToken(ctx, name)
	})
	if err != nil {
		return err
	}
	if a.json {
		t, err := s.TokenByName(ctx, name)
		if err != nil {
			return err
		}
		return a.result.print(t)
	}
	a.note("token %s is revoked", name)
	return nil
}
