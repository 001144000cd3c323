package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

func (a *app) rowsCancelCommand() *cobra.Command {
	return a.rowsAction(rowsAction{
		use: "cancel", short: "Cancel all rows that match and are not sent yet", statuses: db.Words(db.Cancellable()),
		long: `Cancels all pending rows that match. A row whose call is in flight ends with the answer to that
call, and is not retried. What was sent stays sent. Rows of a plan are not changed: cancel the plan.`,
		example: "  relabel rows cancel --batch 7 --name 'draft'\n  relabel rows cancel --asset 9f4a7f85b42ea4c6374f11ca --yes",
		choose:  records.RowFilter.ForCancel, question: "Cancel %s?", do: a.rowsCancel,
	})
}

func (a *app) rowsCancel(ctx context.Context, s *session, f records.RowFilter, options string) error {
	progress := a.counter("cancelled")
	got, err := a.use(s).CancelRows(ctx, actor(), f, options, func(c db.Cancelled) { progress(c.Cancelled + c.Sending) })
	if err != nil {
		return a.partly(err, got.Cancelled+got.Sending)
	}
	if a.json {
		return a.result.print(got)
	}
	fmt.Fprintf(a.Out, "%s cancelled\n", text.Plural(got.Cancelled, "row is", "rows are"))
	if got.Sending > 0 {
		fmt.Fprintf(a.Out, "%s in flight: those rows end with the answer, and are not retried\n",
			text.Plural(got.Sending, "call is", "calls are"))
	}
	return nil
}
