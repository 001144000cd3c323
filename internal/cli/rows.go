package cli

import "github.com/spf13/cobra"

func (a *app) rowsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rows",
		Aliases: []string{"jobs"},
		Short:   "The rows of all batches: list, show, retry and cancel rows by filter",
		Args:    noCommand,
		RunE:    showHelp,
	}
	cmd.AddCommand(a.rowsListCommand(), a.rowsErrorsCommand(), a.rowsShowCommand(), a.rowsRetryCommand(), a.rowsCancelCommand())
	return cmd
}
