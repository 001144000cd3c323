package records

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// recentCalls is how many of the last calls RecentErrors looks at: what a limit
// of 120 a minute lets through in some minutes, and read within milliseconds.
const recentCalls = 300

// RecentError is a cause for which calls of a batch failed lately, for good or
// to be tried again, with its newest example.
type RecentError struct {
	Batch      int64
	HTTPStatus *int
	Error      string // code: message
	Calls      int64
	AssetID    string
	Line       int64
}

// RecentErrors groups the errors among the last calls by batch and cause, the
// newest first. A 429 is none. Served by attempt_sent_idx.
func RecentErrors(ctx context.Context, d *db.DB, batches []int64) ([]RecentError, error) {
	return pg.Collect[RecentError](ctx, d.Pool(), "reading the last errors", `
		WITH recent AS MATERIALIZED (
			SELECT a.rename_id, a.sent_at, a.outcome, a.http_status::int, concat_ws(': ', a.code, a.message) AS error
			FROM attempt a ORDER BY a.sent_at DESC LIMIT @calls
		)
		SELECT r.batch_id AS batch, a.http_status, a.error, count(*) AS calls,
			(array_agg(r.asset_id ORDER BY a.sent_at DESC))[1] AS asset_id, (array_agg(r.line ORDER BY a.sent_at DESC))[1] AS line
		FROM recent a JOIN rename r ON r.id = a.rename_id
		WHERE a.outcome IN ('failed', 'retry', 'parked') AND r.batch_id = ANY (@batches)
		GROUP BY 1, 2, 3 ORDER BY max(a.sent_at) DESC`, pgx.NamedArgs{"calls": recentCalls, "batches": batches})
}
