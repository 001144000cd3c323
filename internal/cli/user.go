package cli

import "github.com/spf13/cobra"

func (a *app) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Make lines for the file of people (serve --users)",
		Args:  noCommand,
		RunE:  showHelp,
	}
	cmd.AddCommand(a.userHashCommand())
	return cmd
}
