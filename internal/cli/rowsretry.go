package cli

import (
	"context"

	"github.com/spf13/cobra"

	"relabel/db"
	"relabel/internal/records"
)

func (a *app) rowsRetryCommand() *cobra.Command {
	return a.rowsAction(rowsAction{
		use: "retry", short: "Send all failed, conflicting and cancelled rows that match again", statuses: db.Words(db.MayRetry()),
		long: `Makes all rows that match pending again, with a full number of attempts. If an asset has a newer
name by now, its row becomes superseded instead: a late retry never overwrites a newer name.
Superseded rows are sent again only with --status superseded, and only if the newer row was
cancelled before it was sent. Rows that the API refused (400, 404) will be refused again: see
relabel results.`,
		example: "  relabel rows retry --batch 7 --http 500\n  relabel rows retry --error 'timed out' --since 1d --yes",
		choose:  records.RowFilter.ForRetry, question: "Send %s again?", do: a.rowsRetry,
	})
}

func (a *app) rowsRetry(ctx context.Context, s *session, f records.RowFilter, options string) error {
	progress := a.counter("looked at")
	got, err := a.use(s).RetryRows(ctx, actor(), f, options, func(r db.Retried) { progress(r.Pending + r.Superseded) })
	if err != nil {
		return a.partly(err, got.Pending+got.Superseded)
	}
	if a.json {
		return a.result.print(got)
	}
	a.printRetried(got)
	return nil
}
