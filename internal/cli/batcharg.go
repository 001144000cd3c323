package cli

import (
	"strconv"

	"github.com/spf13/cobra"
)

// batchArg takes a batch number, or none if it is not required.
func batchArg(required bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && !required {
			return nil
		}
		if len(args) != 1 {
			return usageError("`%s` takes one batch number; see `%s --help`", cmd.CommandPath(), cmd.CommandPath())
		}
		_, err := batchNumber(args[0])
		return err
	}
}

func batchNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return 0, usageError("%q is not a batch number; `relabel status` lists them", s)
	}
	return n, nil
}
