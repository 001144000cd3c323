package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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
