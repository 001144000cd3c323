package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

// rowsAction describes a command that changes all rows that match a filter.
type rowsAction struct {
	use, short, long, example string
	question                  string
	statuses                  []string
	choose                    func(records.RowFilter) (records.RowFilter, bool)
	do                        func(context.Context, *session, records.RowFilter, string) error
}

func (a *app) rowsAction(p rowsAction) *cobra.Command {
	var j rowFlags
	var yes bool
	cmd := &cobra.Command{
		Use: p.use, Short: p.short, Example: p.example,
		Long: p.long + "\n\nIt counts the rows and asks first. Without a terminal, --yes is required.",
		Args: noArgs("no arguments, but options"), ValidArgsFunction: completeNothing,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := j.check(cmd, a, p.statuses, time.Now())
			if err != nil {
				return err
			}
			return a.withSession(cmd.Context(), func(ctx context.Context, s *session) error {
				chosen, _ := p.choose(f) // check has refused other statuses
				if ok, err := a.confirmRows(ctx, s, chosen, p.question, yes); err != nil || !ok {
					return filterUsage(err)
				}
				return filterUsage(p.do(ctx, s, f, optionsOf(cmd)))
			})
		},
	}
	j.add(a, cmd, p.statuses)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	return cmd
}

// noteEvery is after how many rows a long action prints how far it is.
const noteEvery = 100_000

// counter makes a function that prints the number of rows done now and then.
func (a *app) counter(done string) func(n int64) {
	noted := int64(0)
	return func(n int64) {
		if n/noteEvery > noted {
			noted = n / noteEvery
			a.note("%s %s so far", text.Plural(n, "row", "rows"), done)
		}
	}
}

// partly adds how many rows an action changed before its error.
func (a *app) partly(err error, rows int64) error {
	if rows == 0 {
		return err
	}
	done := text.Plural(rows, "row", "rows")
	if errors.Is(err, context.Canceled) {
		return exitErr{exitError, "interrupted after " + done + "; the same command continues with the rest"}
	}
	return fmt.Errorf("stopped after %s; the same command continues with the rest: %w", done, err)
}

// slowCount is the number of rows above which a full count takes seconds. Then a
// first, partial count is printed at once.
const slowCount = 50_000

// confirmRows counts the rows that would change, and asks.
func (a *app) confirmRows(ctx context.Context, s *session, f records.RowFilter, question string, yes bool) (bool, error) {
	if yes {
		return true, nil
	}
	st, err := records.CountRows(ctx, s.DB, f, slowCount)
	if err == nil && !st.Exact {
		a.note("at least %s among the first %s; counting on ...", text.Plural(st.Rows, "row", "rows"), text.Number(st.Looked))
		st, err = records.CountRows(ctx, s.DB, f, 0)
	}
	if err != nil {
		return false, err
	}
	if st.Rows == 0 {
		return true, nil // the action prints that it changed none
	}
	rows := fmt.Sprintf("%s (%s)", text.Plural(st.Rows, "row", "rows"), strings.Join(db.Words(f.Statuses), ", "))
	ok, err := a.confirm(ctx, fmt.Sprintf(question, rows))
	if err == nil && !ok {
		a.note("nothing was changed")
	}
	return ok, err
}
