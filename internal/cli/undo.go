package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/plan"
	"relabel/internal/text"
)

// undoable are the statuses of rows whose call may have been made.
func undoable() []string {
	return []string{"succeeded", "failed", "superseded", "conflict", "cancelled"}
}

type undoParams struct {
	statuses     []string
	since, until string
	apply, yes   bool
}

func (a *app) undoCommand() *cobra.Command {
	var p undoParams
	cmd := &cobra.Command{
		Use:   "undo BATCH",
		Short: "Plan to put back the values before a batch",
		Long: `Makes a plan of the values that the assets had before a batch, reads the site, and shows what
would change; relabel apply sends it. Rows that succeeded are put back where the asset still
holds what the batch sent; where somebody changed it since they are conflicts, which
relabel apply --take-over sends too. What was before is known of batches that were planned, or
loaded with --snapshot.`,
		Example: `  relabel undo 7
  relabel undo 7 --since 14:30 --until 15:00
  relabel undo 7 --apply --yes && relabel work --until-done`,
		Args:              batchArg(true),
		ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range p.statuses {
				if !slices.Contains(undoable(), s) {
					return usageError("--status: a row that is %q was not sent; %s may have been", s, strings.Join(undoable(), ", "))
				}
			}
			if p.yes && !p.apply {
				return usageError("--yes goes with --apply")
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				return a.undo(ctx, s, args[0], p)
			})
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&p.statuses, "status", []string{"succeeded"}, "only rows of these `STATUSES`: "+strings.Join(undoable(), ", "))
	f.StringVar(&p.since, "since", "", "only rows that ended then or later: a `TIME` such as 2h, 14:30, 2026-11-23 or 2026-11-23T14:30")
	f.StringVar(&p.until, "until", "", "only rows that ended before that `TIME`")
	f.BoolVar(&p.apply, "apply", false, "queue the plan at once, after asking")
	f.BoolVarP(&p.yes, "yes", "y", false, "with --apply: don't ask")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(undoable(), cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

func (a *app) undo(ctx context.Context, s *session, arg string, p undoParams) error {
	params, err := a.undoOf(ctx, s, arg, p)
	if err != nil {
		return err
	}
	st, err := s.BatchStatus(ctx, params.BatchID)
	if err != nil {
		return err
	}
	site, err := a.namedSite(ctx, s, st.Site)
	if err != nil {
		return err
	}
	made, err := a.makeUndo(ctx, s, site.Site, st, params)
	if err != nil {
		return err
	}
	return a.offer(ctx, s, site.Site, made, p)
}

func (a *app) undoOf(ctx context.Context, s *session, arg string, p undoParams) (out db.UndoParams, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return out, err
	}
	out.Statuses = p.statuses
	if out.BatchID, err = batchNumber(arg); err != nil {
		return out, err
	}
	if out.Since, err = moment("since", p.since, now); err != nil {
		return out, err
	}
	out.Until, err = moment("until", p.until, now)
	return out, err
}

// makeUndo stores the values before as a plan and compares it with the site.
func (a *app) makeUndo(ctx context.Context, s *session, site db.Site, of db.BatchStatus, p db.UndoParams) (plan.Summary, error) {
	if of.Status == "planned" {
		return plan.Summary{}, fmt.Errorf("batch %d is a plan: nothing of it was sent, and `relabel batch cancel %d` drops it", of.Batch, of.Batch)
	}
	var undone db.Undone
	err := a.audited(ctx, s, db.AuditEntry{Action: "undo", Subject: db.BatchSubject(of.Batch)}, func(ctx context.Context) (_ int64, err error) {
		undone, err = s.Undo(ctx, p)
		return undone.Rows, err
	})
	if err != nil {
		return plan.Summary{}, undoError(err)
	}
	if of.Left() > 0 {
		a.note("%s of batch %d may still be sent; `relabel batch cancel %d` ends that",
			text.Plural(of.Left(), "row", "rows"), of.Batch, of.Batch)
	}
	if undone.NoBefore > 0 {
		a.note("%s of batch %d can't be put back: nobody read what they were before", text.Plural(undone.NoBefore, "row", "rows"), of.Batch)
	}
	if err := a.compare(ctx, s, site, undone.BatchID, false); err != nil {
		return plan.Summary{}, a.dropPlan(ctx, s, undone.BatchID, err)
	}
	return plan.Summarise(ctx, s.DB, undone.BatchID)
}

func undoError(err error) error {
	switch {
	case errors.Is(err, db.ErrNoBefore):
		return fmt.Errorf("%w; the next time `relabel plan`, `run --plan` or --snapshot keeps them", err)
	case errors.Is(err, db.ErrNothingSent):
		return fmt.Errorf("%w; --status, --since and --until choose rows", err)
	}
	return err
}

// offer shows a plan, and queues it when that is asked for.
func (a *app) offer(ctx context.Context, s *session, site db.Site, made plan.Summary, p undoParams) error {
	if !a.json {
		if err := a.printPlan(ctx, s, made); err != nil {
			return err
		}
	}
	if p.apply && made.Change > 0 {
		if err := a.agree(ctx, made, p.yes); err != nil {
			return err
		}
		if err := a.accept(ctx, s, site, made.Batch, 0); err != nil {
			return planError(err)
		}
		made.Status = "active"
	}
	if a.json {
		return a.result.print(made)
	}
	fmt.Fprintln(a.Out, "  next: "+nextOfPlan(made))
	return nil
}

// agree asks whether to send a plan.
func (a *app) agree(ctx context.Context, made plan.Summary, yes bool) error {
	if yes || made.Change == 0 {
		return nil
	}
	ok, err := a.confirm(ctx, fmt.Sprintf("Send %s now?", text.Plural(made.Calls, "call", "calls")))
	if err == nil && !ok {
		err = exitErr{exitError, "not sent"}
	}
	if err != nil {
		a.note("nothing was sent; `relabel apply %d` sends the plan", made.Batch)
	}
	return err
}
