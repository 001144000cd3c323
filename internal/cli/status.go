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
		Long: `Without BATCH it lists the newest batches, of all sites unless --site is given. With BATCH it shows
the batch's rows by status, its calls, what it waits for and when it ends. --watch continues until
the batch has ended; Ctrl-C stops watching, not the batch. Without BATCH, --watch shows all running
batches.`,
		Example:           "  relabel status\n  relabel status --watch\n  relabel status 7 --watch\n  relabel status 7 --json",
		Args:              batchArg(false),
		ValidArgsFunction: a.completeBatch(),
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
	cmd.Flags().BoolVar(&watch, "watch", false, "keep showing progress until the batch ends")
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

// watch follows a batch to its end. A signal stops the watching, not the batch.
func (a *app) watch(ctx context.Context, s *session, id int64) error {
	err := a.follow(ctx, s, id, nil, func(report.Batch) bool { return false })
	if err != nil && ctx.Err() == nil {
		return err
	}
	_, err = a.summarise(context.WithoutCancel(ctx), s, id)
	return err
}
