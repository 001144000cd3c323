package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/text"
)

// slowCount is from how many rows on a count takes so long (up to seconds) that
// people should see first what there is at least.
const slowCount = 50_000

func (a *app) rowsRetryCommand() *cobra.Command {
	return a.rowsAction(rowsAction{
		use: "retry", short: "Send all failed, conflicting and cancelled rows that match again", statuses: db.MayRetry(),
		long: `Makes all rows that match pending again, with all their attempts. A row whose asset has got a
newer name since becomes superseded instead: a late retry never overwrites it. Superseded rows
are sent again only with --status superseded, where the newer one was cancelled unsent. Rows that the
API refused as they are (400, 404) will be refused again: see relabel results.`,
		example: "  relabel rows retry --batch 7 --http 500\n  relabel rows retry --error 'timed out' --since 1d --yes",
		choose:  db.RowFilter.ForRetry, question: "Send %s again?", do: a.rowsRetry,
	})
}

func (a *app) rowsCancelCommand() *cobra.Command {
	return a.rowsAction(rowsAction{
		use: "cancel", short: "End all rows that match and are not sent yet", statuses: db.Cancellable(),
		long: `Ends all rows that match and are pending. One whose call is in flight ends with its answer, and
is not tried again. What was sent stays sent. Rows of a plan are left alone: discard that.`,
		example: "  relabel rows cancel --batch 7 --name 'draft'\n  relabel rows cancel --asset 9f4a7f85b42ea4c6374f11ca --yes",
		choose:  db.RowFilter.ForCancel, question: "Cancel %s?", do: a.rowsCancel,
	})
}

// rowsAction is a command that changes all rows that match.
type rowsAction struct {
	use, short, long, example string
	question                  string
	statuses                  []string
	choose                    func(db.RowFilter) (db.RowFilter, bool)
	do                        func(context.Context, *session, db.RowFilter, db.AuditEntry) error
}

func (a *app) rowsAction(p rowsAction) *cobra.Command {
	var j rowFlags
	var yes bool
	cmd := &cobra.Command{
		Use: p.use, Short: p.short, Example: p.example,
		Long: p.long + "\n\nIt counts the rows and asks first; without a terminal say --yes.",
		Args: noArgs("no arguments, but options"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := j.check(cmd, a, p.statuses, time.Now())
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				chosen, _ := p.choose(f) // the statuses are among those it takes
				if ok, err := a.confirmRows(ctx, s, chosen, p.question, yes); err != nil || !ok {
					return usage(err)
				}
				return usage(p.do(ctx, s, f, db.AuditEntry{Action: p.use, Subject: subjectOf(f), Detail: optionsOf(cmd)}))
			})
		},
	}
	j.add(cmd, p.statuses)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	return cmd
}

// subjectOf is what a filter is about.
func subjectOf(f db.RowFilter) string {
	if f.Batch != 0 {
		return db.BatchSubject(f.Batch)
	}
	return "rows"
}

// confirmRows counts what would change, and asks.
func (a *app) confirmRows(ctx context.Context, s *session, f db.RowFilter, question string, yes bool) (bool, error) {
	if yes {
		return true, nil
	}
	st, err := s.CountRows(ctx, f, slowCount)
	if err == nil && !st.Exact {
		a.note("at least %s among the first %s; counting on ...", text.Plural(st.Rows, "row", "rows"), text.Number(st.Looked))
		st, err = s.CountRows(ctx, f, 0)
	}
	if err != nil {
		return false, err
	}
	if st.Rows == 0 {
		return true, nil // and it says that there was none
	}
	rows := fmt.Sprintf("%s (%s)", text.Plural(st.Rows, "row", "rows"), strings.Join(f.Statuses, ", "))
	ok, err := a.confirm(ctx, fmt.Sprintf(question, rows))
	if err == nil && !ok {
		a.note("nothing was changed")
	}
	return ok, err
}

// toldEvery is after how many rows a long action says how far it is.
const toldEvery = 100_000

// counter tells of rows done, now and then.
func (a *app) counter(done string) func(n int64) {
	told := int64(0)
	return func(n int64) {
		if n/toldEvery > told {
			told = n / toldEvery
			a.note("%s %s so far", text.Plural(n, "row", "rows"), done)
		}
	}
}

func (a *app) rowsRetry(ctx context.Context, s *session, f db.RowFilter, d db.AuditEntry) error {
	tell := a.counter("looked at")
	var got db.Retried
	err := a.audited(ctx, s, d, func(ctx context.Context) (_ int64, err error) {
		got, err = s.RetryRows(ctx, f, func(r db.Retried) { tell(r.Pending + r.Superseded) })
		return got.Pending + got.Superseded, err
	})
	if err != nil {
		return a.partly(err, got.Pending+got.Superseded)
	}
	if a.json {
		return a.result.print(got)
	}
	a.printRetried(got)
	return nil
}

func (a *app) rowsCancel(ctx context.Context, s *session, f db.RowFilter, d db.AuditEntry) error {
	tell := a.counter("cancelled")
	var got db.Cancelled
	err := a.audited(ctx, s, d, func(ctx context.Context) (_ int64, err error) {
		got, err = s.CancelRows(ctx, f, func(c db.Cancelled) { tell(c.Cancelled + c.Sending) })
		return got.Cancelled + got.Sending, err
	})
	if err != nil {
		return a.partly(err, got.Cancelled+got.Sending)
	}
	if a.json {
		return a.result.print(got)
	}
	fmt.Fprintf(a.Out, "%s cancelled\n", text.Plural(got.Cancelled, "row is", "rows are"))
	if got.Sending > 0 {
		fmt.Fprintf(a.Out, "%s in flight: the answer is the last word, and they are not tried again\n",
			text.Plural(got.Sending, "call is", "calls are"))
	}
	return nil
}

// partly says how far an action came that did not come to its end.
func (a *app) partly(err error, rows int64) error {
	if rows == 0 {
		return err
	}
	done := text.Plural(rows, "row", "rows")
	if errors.Is(err, context.Canceled) {
		return exitErr{exitError, "interrupted after " + done + "; the same command goes on with the rest"}
	}
	return fmt.Errorf("stopped after %s; the same command goes on with the rest: %w", done, err)
}
