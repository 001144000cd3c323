package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/internal/report"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [BATCH]",
		Short: "Counts, rate, 429s, estimated end",
		Long: `Without a BATCH lists the newest batches, of --site alone when it is given. With a BATCH
shows its rows by status, its calls, what it waits for and when it ends; --watch goes on until
the batch has ended (Ctrl-C ends the watching, not the batch). Without a BATCH --watch shows all
batches that run.`,
		Example:           "  relabel status\n  relabel status --watch\n  relabel status 7 --watch\n  relabel status 7 --json",
		Args:              batchArg(false),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			site := ""
			if cmd.Flags().Changed("site") {
				site = a.site
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				if len(args) == 0 && watch {
					return a.watchAll(ctx, s, site)
				}
				if len(args) == 0 {
					return a.statusList(ctx, s, site)
				}
				return a.status(ctx, s, args[0], watch)
			})
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "go on showing, until the batch ends")
	return cmd
}

func (a *app) status(ctx context.Context, s *session, arg string, watch bool) error {
	id, err := batchNumber(arg)
	if err != nil {
		return err
	}
	if watch {
		return a.watch(ctx, s, id)
	}
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(v)
	}
	printBatch(a.Out, v)
	return printTroubles(ctx, a.Out, s, v)
}

// watch follows to the batch's end; a signal ends the watching, not the batch.
func (a *app) watch(ctx context.Context, s *session, id int64) error {
	err := a.follow(ctx, s, id, func(report.Batch) bool { return false })
	if err != nil && ctx.Err() == nil {
		return err
	}
	_, err = a.summarise(context.WithoutCancel(ctx), s, id)
	return err
}
