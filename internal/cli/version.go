package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "This relabel's version", Args: noArgs("no arguments"), ValidArgsFunction: completeNothing,
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.result.print(versionJSON{Version()})
			}
			fmt.Fprintln(a.Out, "relabel "+Version())
			return nil
		},
	}
}
