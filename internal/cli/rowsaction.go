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

// slowCount is from how many rows on a count takes so long (up to seconds) that
// people should see first what there is at least.
const slowCount = 50_000

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
