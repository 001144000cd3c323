package db

import (
	"context"
)

// RetryParams choose rows of a batch to send again.
type RetryParams struct {
	BatchID  int64
	Statuses []string // of failed, conflict and cancelled
	Error    string   // part of the error's text; empty: any
}

// Retried is what came of a retry.
type Retried struct {
	Pending    int64 `json:"pending"`    // rows that will be sent again
	Superseded int64 `json:"superseded"` // rows whose target has a newer rename: they never will
}

// RetryBatch makes rows of a batch pending again, see RetryJobs. Without a
// status it makes none.
func (db *DB) RetryBatch(ctx context.Context, p RetryParams) (Retried, error) {
	if len(p.Statuses) == 0 {
		return Retried{}, nil
	}
	return db.RetryJobs(ctx, JobFilter{Batch: p.BatchID, Statuses: p.Statuses, Error: p.Error}, nil)
}

// mayRetry is what a batch b must be for rows of it to be sent again: accepted,
// and one that is being cancelled must have come to its end first.
const mayRetry = `b.acceptance IS NOT NULL AND (b.status <> 'cancelled' OR b.finished_at IS NOT NULL)`

// chosenRows are the rows r of batch b that are to be sent again.
const chosenRows = `
	FROM batch b JOIN rename r ON r.batch_id = b.id
	WHERE b.id = @batch AND ` + mayRetry + ` AND r.id = ANY (@ids)
		AND r.status = ANY (@statuses) AND r.status IN ('failed', 'conflict', 'cancelled')
	ORDER BY r.id `

// retryOlderSQL ends the open renames that are older than a chosen row of their
// target: they were retried themselves while it had ended unsent.
const retryOlderSQL = `
WITH chosen AS (
	SELECT r.id, r.asset_id, r.locale_id, r.site_id, b.acceptance` + chosenRows + `
), older AS (
	SELECT o.id, o.status, c.id AS newer, ob.status = 'cancelled' AS cancelled
	FROM chosen c
	JOIN rename o ON o.asset_id = c.asset_id AND o.locale_id = c.locale_id AND o.site_id = c.site_id
		AND o.status IN ('pending', 'sending')
	JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < c.acceptance
	ORDER BY o.id FOR NO KEY UPDATE OF o
), ` + endOlder

// retrySQL finds for each chosen row the newest rename of its target that
// counts: one that was claimed, or is open, or stands for a value that the
// target has. (Two chosen rows never have one target: of such rows in a batch
// all but the last were superseded when it was loaded.)
//
// Served by the primary key for the rows and rename_target_idx for the rest.
const retrySQL = `
WITH chosen AS (
	SELECT r.id, r.batch_id, r.status, r.asset_id, r.locale_id, r.site_id, b.acceptance` + chosenRows + `FOR NO KEY UPDATE OF r
), judged AS (
	SELECT c.id, c.batch_id, c.status AS was, newer.id AS newer
	FROM chosen c LEFT JOIN LATERAL (
		SELECT n.id FROM rename n JOIN batch nb ON nb.id = n.batch_id
		WHERE n.asset_id = c.asset_id AND n.locale_id = c.locale_id AND n.site_id = c.site_id AND n.id <> c.id
			AND (nb.acceptance, n.id) > (c.acceptance, c.id)
			AND (n.fence > 0 OR n.status IN ('pending', 'sending', 'unchanged'))
		ORDER BY nb.acceptance DESC, n.id DESC LIMIT 1
	) newer ON true
), changed AS (
	UPDATE rename r SET
		status = CASE WHEN j.newer IS NULL THEN 'pending' ELSE 'superseded' END,
		superseded_by = j.newer,
		finished_at = CASE WHEN j.newer IS NOT NULL THEN clock_timestamp() END,
		failures = 0, not_before = NULL, cancelled_at = NULL, retried_at = clock_timestamp()
	FROM judged j WHERE r.id = j.id
	RETURNING r.id, r.batch_id, j.was, r.status
), moved AS (
	SELECT batch_id, was, status FROM changed
), ` + movesSQL + `, tally AS (
	UPDATE batch b SET ` + addMoves + ` FROM moves m WHERE b.id = m.batch_id
)
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
	count(*) FILTER (WHERE status = 'superseded') AS superseded
FROM changed`
