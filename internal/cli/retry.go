package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
)

func (a *app) batchRetryCommand() *cobra.Command {
	var statuses []string
	var errorText string
	cmd := &cobra.Command{
		Use:   "retry BATCH",
		Short: "Send failed, conflicting and cancelled rows again",
		Long: `Makes rows pending again, with a full number of attempts. A row whose asset has got a
newer name since becomes superseded instead: a late retry never overwrites it.
Superseded rows are sent with --status superseded, where the newer batch was
cancelled before it sent theirs.`,
		Example: "  relabel batch retry 7\n  relabel batch retry 7 --status failed --error 'HTTP 500'\n  relabel batch retry 7 --status superseded",
		Args:    batchArg(true), ValidArgsFunction: a.completeBatch(),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range statuses {
				if !slices.Contains(db.MayRetry(), db.RowStatus(s)) {
					return usageError("--status: a row that is %q can't be retried; failed, conflict, cancelled and superseded can", s)
				}
			}
			id, err := batchNumber(args[0])
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.batchRetry(ctx, s, records.RowFilter{Batch: id, Statuses: db.RowStatuses(statuses), Error: errorText}, optionsOf(cmd))
			})
		},
	}
	cmd.Flags().StringSliceVar(&statuses, "status", db.Words(db.Retryable()), "rows of these `STATUSES`")
	completeWords(cmd, "status", db.Words(db.MayRetry()))
	cmd.Flags().StringVar(&errorText, "error", "", "only rows whose error contains this `TEXT`")
	return cmd
}

func (a *app) batchRetry(ctx context.Context, s *session, f records.RowFilter, options string) error {
	var got db.Retried
	err := a.during(ctx, fmt.Sprintf("batch retry %d", f.Batch), func() (err error) {
		got, err = a.use(s).RetryBatch(ctx, actor(), f, options)
		return err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(report.RetriedBatch{Batch: f.Batch, Retried: got})
	}
	a.printRetried(got)
	return nil
}

// printRetried says what came of a retry.
func (a *app) printRetried(got db.Retried) {
	for _, line := range report.Retried(got) {
		fmt.Fprintln(a.Out, line)
	}
}
