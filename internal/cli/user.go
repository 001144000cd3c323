package cli

import "github.com/spf13/cobra"

func (a *app) userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Make lines for the dashboard's file of people",
		Args:  noCommand,
		RunE:  showHelp,
	}
	cmd.AddCommand(a.userHashCommand())
	return cmd
}
