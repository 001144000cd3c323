package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/usecase"
)

func (a *app) batchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "batch",
		Short: "Pause, resume, cancel, retry or delete a batch",
		Args:  noCommand,
		RunE:  showHelp,
	}
	cmd.AddCommand(
		a.batchChange("pause", "Pause a batch: send nothing more of it until it is resumed", []db.BatchStatus{db.BatchActive}, func(ctx context.Context, u *usecase.Service, id int64) error {
			return u.Pause(ctx, actor(), id)
		}),
		a.batchChange("resume", "Resume a paused batch", []db.BatchStatus{db.BatchPaused}, func(ctx context.Context, u *usecase.Service, id int64) error {
			return u.Resume(ctx, actor(), id)
		}),
		a.batchChange("cancel", "Cancel the rows of a batch that are not sent yet; rows already sent keep their results",
			[]db.BatchStatus{db.BatchPlanned, db.BatchActive, db.BatchPaused}, a.cancelBatch),
		a.batchRetryCommand(),
		a.batchDeleteCommand(),
	)
	return cmd
}

type batchChange func(ctx context.Context, u *usecase.Service, id int64) error

// batchChange makes a command that changes a batch. from are the statuses of batches that
// a completion offers for it.
func (a *app) batchChange(use, short string, from []db.BatchStatus, change batchChange) *cobra.Command {
	return &cobra.Command{
		Use: use + " BATCH", Short: short, Args: batchArg(true), ValidArgsFunction: a.completeBatch(from...),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := batchNumber(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				err := a.during(ctx, fmt.Sprintf("batch %s %d", use, id), func() error { return change(ctx, a.use(s), id) })
				if err != nil {
					return err
				}
				return a.showBatch(ctx, s, id)
			})
		},
	}
}

// cancelBatch also says which rows of earlier batches are not sent, although the
// batch that took their place is cancelled.
func (a *app) cancelBatch(ctx context.Context, u *usecase.Service, id int64) error {
	stranded, err := u.Cancel(ctx, actor(), id)
	for _, o := range stranded {
		a.warn("%s", report.Stranded(o))
	}
	return err
}

func (a *app) showBatch(ctx context.Context, s *session, id int64) error {
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(v)
	}
	printBatch(a.Out, v)
	return nil
}
