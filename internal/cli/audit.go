package cli

import (
	"context"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relabel/db"
)

// audited does what changes something, with its row in the log that the dashboard
// shows. What a person does is recorded, what relabel does by itself is not.
func (a *app) audited(ctx context.Context, s *session, d db.AuditEntry, act func(context.Context) (rows int64, err error)) error {
	d.Who, d.Via = person(), "command line"
	return s.Audit(ctx, d, act)
}

// person is who runs this, as far as the system tells.
func person() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// optionsOf are a command's own options as they were given, and not --database-url,
// which may hold a password.
func optionsOf(cmd *cobra.Command) string {
	var parts []string
	own := cmd.LocalNonPersistentFlags() // which doesn't know which of them were given
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if own.Lookup(f.Name) != nil && f.Name != "yes" {
			parts = append(parts, "--"+f.Name+" "+f.Value.String())
		}
	})
	return strings.Join(parts, " ")
}
