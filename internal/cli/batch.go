package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/report"
)

func (a *app) batchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "batch",
		Short: "Pause, resume, cancel or retry a batch",
		Args:  noCommand,
		RunE:  showHelp,
	}
	cmd.AddCommand(
		a.batchChange("pause", "Send nothing more of it until it is resumed", "paused"),
		a.batchChange("resume", "Go on with a paused batch", "active"),
		a.batchChange("cancel", "End what is not sent yet; what was sent stays reported", "cancelled"),
		a.batchRetryCommand(),
	)
	return cmd
}

func (a *app) batchChange(use, short, status string) *cobra.Command {
	return &cobra.Command{
		Use: use + " BATCH", Short: short, Args: batchArg(true), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.setBatch(ctx, s, args[0], use, status)
			})
		},
	}
}

func (a *app) setBatch(ctx context.Context, s *session, arg, use, status string) error {
	id, err := batchNumber(arg)
	if err != nil {
		return err
	}
	st, err := s.BatchStatus(ctx, id)
	if err != nil {
		return err
	}
	if st.Status == "planned" {
		return a.setPlan(ctx, s, st, status)
	}
	err = a.audited(ctx, s, db.AuditEntry{Action: use, Subject: db.BatchSubject(id)}, func(ctx context.Context) (int64, error) {
		return st.Left(), s.ChangeBatch(ctx, id, status)
	})
	if err != nil {
		return err
	}
	v, err := s.view(ctx, id)
	if err != nil {
		return err
	}
	if status == "cancelled" {
		if err := a.noteStranded(ctx, s, id); err != nil {
			return err
		}
	}
	if a.json {
		return a.result.print(v)
	}
	printBatch(a.Out, v)
	return nil
}

// noteStranded says which rows of earlier batches are not sent, although the batch
// that took their place is cancelled.
func (a *app) noteStranded(ctx context.Context, s *session, id int64) error {
	stranded, err := s.Stranded(ctx, id)
	for _, o := range stranded {
		a.note("%s", report.Stranded(o))
	}
	return err
}

// setPlan drops a plan: nothing else can be done with it but apply it.
func (a *app) setPlan(ctx context.Context, s *session, st db.BatchStatus, status string) error {
	if status != "cancelled" {
		return fmt.Errorf("batch %d is a plan, of which nothing is sent: `relabel apply %d` sends it, `relabel batch cancel %d` drops it",
			st.Batch, st.Batch, st.Batch)
	}
	err := a.audited(ctx, s, db.AuditEntry{Action: "discard", Subject: db.BatchSubject(st.Batch)}, func(ctx context.Context) (int64, error) {
		return st.Total, s.Discard(ctx, st.Batch)
	})
	if err != nil {
		return err
	}
	v, err := s.view(ctx, st.Batch)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(v)
	}
	printBatch(a.Out, v)
	return nil
}
