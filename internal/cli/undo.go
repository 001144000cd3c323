package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// undoable are the statuses of rows whose call may have been made.
func undoable() []string {
	return db.Words([]db.RowStatus{db.RowSucceeded, db.RowFailed, db.RowSuperseded, db.RowConflict, db.RowCancelled})
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
		Short: "Make a plan that restores the values from before a batch",
		Long: `Makes a plan of the values that the assets had before a batch, reads the site, and shows what
would change; relabel apply sends it. A row that succeeded is put back if its asset still holds
what the batch sent. If somebody has changed the asset since, the row is a conflict, which only
relabel apply --take-over sends. The values from before are known if the batch was planned
(relabel plan, run --plan) or loaded with --snapshot.`,
		Example: `  relabel undo 7
  relabel undo 7 --since 14:30 --until 15:00
  relabel undo 7 --apply --yes && relabel work --until-done`,
		Args:              batchArg(true),
		ValidArgsFunction: a.completeBatch(),
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
	f.StringSliceVar(&p.statuses, "status", []string{string(db.RowSucceeded)}, "only rows of these `STATUSES`: "+strings.Join(undoable(), ", "))
	f.StringVar(&p.since, "since", "", "only rows that ended then or later: a `TIME` such as 2h, 14:30, 2026-11-23 or 2026-11-23T14:30")
	f.StringVar(&p.until, "until", "", "only rows that ended before that `TIME`")
	f.BoolVar(&p.apply, "apply", false, "queue the plan at once, after asking")
	f.BoolVarP(&p.yes, "yes", "y", false, "with --apply: don't ask")
	completeWords(cmd, "status", undoable())
	return cmd
}

func (a *app) undo(ctx context.Context, s *session, arg string, p undoParams) error {
	params, err := a.undoOf(ctx, s, arg, p)
	if err != nil {
		return err
	}
	site, err := s.siteOf(ctx, params.BatchID)
	if err != nil {
		return err
	}
	reading, done := a.reading(ctx, s, site, step{label: "making the plan"})
	undone, err := a.use(s).Undo(ctx, actor(), params, reading)
	done()
	if undone.Left > 0 {
		a.warn("%s of batch %d may still be sent; `relabel batch cancel %d` prevents that",
			text.Plural(undone.Left, "row", "rows"), params.BatchID, params.BatchID)
	}
	if undone.NoBefore > 0 {
		a.warn("%s of batch %d can't be restored: the old values weren't saved",
			text.Plural(undone.NoBefore, "row", "rows"), params.BatchID)
	}
	if err != nil {
		return err
	}
	return a.offer(ctx, s, undone.Summary, p)
}

func (a *app) undoOf(ctx context.Context, s *session, arg string, p undoParams) (out db.UndoParams, err error) {
	now, err := s.Now(ctx)
	if err != nil {
		return out, err
	}
	out.Statuses = db.RowStatuses(p.statuses)
	if out.BatchID, err = batchNumber(arg); err != nil {
		return out, err
	}
	if out.Since, err = moment("since", p.since, now); err != nil {
		return out, err
	}
	out.Until, err = moment("until", p.until, now)
	return out, err
}

// offer shows a plan, and queues it when that is asked for.
func (a *app) offer(ctx context.Context, s *session, made usecase.Summary, p undoParams) error {
	if !a.json {
		if err := a.printPlan(ctx, s, made); err != nil {
			return err
		}
	}
	if p.apply && made.Change > 0 {
		if err := a.agree(ctx, made, p.yes); err != nil {
			return err
		}
		if err := a.use(s).Apply(ctx, actor(), usecase.ApplyParams{BatchID: made.Batch, AsShown: true}); err != nil {
			return err
		}
		made.Status = db.BatchActive
	}
	if a.json {
		return a.result.print(made)
	}
	fmt.Fprintln(a.Out, "  next: "+nextOfPlan(made))
	return nil
}

// agree asks whether to send a plan.
func (a *app) agree(ctx context.Context, made usecase.Summary, yes bool) error {
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
