package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"relabel/internal/records"
)

func (a *app) rowsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one row: every attempt, wait and error, and its River job",
		Example: "  relabel rows show 1234",
		Args:    renameNumber, ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return fmt.Errorf("error reading the row's number: %w", err)
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.story(ctx, s, records.StoryParams{RenameID: id})
			})
		},
	}
}

// renameNumber is the argument of `rows show`.
func renameNumber(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError("`%s` takes one row's number; `relabel rows list` shows them", cmd.CommandPath())
	}
	if n, err := strconv.ParseInt(args[0], 10, 64); err != nil || n < 1 {
		return usageError("%q is not a row's number; `relabel rows list` shows them", args[0])
	}
	return nil
}
