package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/failpoint"
)

// Retried is what came of a retry.
type Retried struct {
	Pending    int64 `json:"pending"`    // rows that will be sent again
	Superseded int64 `json:"superseded"` // rows whose target has a newer rename: they never will
	LeftOut    int64 `json:"left_out"`   // rows whose batch was cancelled while the retry went on
}

// RetryBatch is RetryRows for the rows of one batch: the error is ErrNoBatch when
// the filter names none, and without a status it retries none. RetryRows would take
// the rows of all batches, and all that can be retried.
func (db *DB) RetryBatch(ctx context.Context, f RowFilter) (Retried, error) {
	if f.Batch < 1 {
		return Retried{}, noBatch(f.Batch)
	}
	if len(f.Statuses) == 0 {
		return Retried{}, nil
	}
	return db.RetryRows(ctx, f, nil)
}

// mayRetry is what a batch b must be for rows of it to be sent again: accepted,
// and one that is being cancelled must have come to its end first.
const mayRetry = `b.acceptance IS NOT NULL AND (b.status <> 'cancelled' OR b.finished_at IS NOT NULL)`

// olderOpenSQL finds the open renames that are older than a row of their target
// which may be retried: they were retried themselves while it had ended unsent.
const olderOpenSQL = `
SELECT o.id, o.batch_id FROM rename r JOIN batch b ON b.id = r.batch_id
JOIN rename o ON o.asset_id = r.asset_id AND o.locale_id = r.locale_id AND o.site_id = r.site_id
	AND o.status IN ('pending', 'sending')
JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < b.acceptance
WHERE r.id = ANY (@ids)`

// retrySQL finds for each chosen row the newest rename of its target that
// counts: one that was claimed, or is open, or stands for a value that the
// target has, or comes later in the same batch. Older renames of the target that
// are open end. All rows and batches that it changes are locked before it.
//
// Served by the primary key for the rows and rename_target_idx for the rest.
const retrySQL = `
WITH chosen AS (
	SELECT r.id, r.batch_id, r.status, r.asset_id, r.locale_id, r.site_id, b.acceptance
	FROM batch b JOIN rename r ON r.batch_id = b.id
	WHERE b.id = @batch AND ` + mayRetry + ` AND (b.cancelled_at IS NULL OR b.cancelled_at < @began)
		AND r.id = ANY (@ids) AND r.status = ANY (@statuses) AND r.status IN ('failed', 'conflict', 'cancelled', 'superseded')
), judged AS (
	SELECT c.*, c.status AS was, newer.id AS newer
	FROM chosen c LEFT JOIN LATERAL (
		SELECT n.id FROM rename n JOIN batch nb ON nb.id = n.batch_id
		WHERE n.asset_id = c.asset_id AND n.locale_id = c.locale_id AND n.site_id = c.site_id AND n.id <> c.id
			AND (nb.acceptance, n.id) > (c.acceptance, c.id)
			AND (n.fence > 0 OR n.status IN ('pending', 'sending', 'unchanged') OR n.batch_id = c.batch_id AND n.status <> 'invalid')
		ORDER BY nb.acceptance DESC, n.id DESC LIMIT 1
	) newer ON true
), older AS (
	SELECT o.id, o.status, c.id AS newer, ob.status = 'cancelled' AND ob.replaced_by IS DISTINCT FROM c.batch_id AS cancelled
	FROM judged c
	JOIN rename o ON o.asset_id = c.asset_id AND o.locale_id = c.locale_id AND o.site_id = c.site_id
		AND o.status IN ('pending', 'sending')
	JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < c.acceptance
	WHERE c.newer IS NULL
), ` + endOlder + `, changed AS (
	UPDATE rename r SET
		status = CASE WHEN j.newer IS NULL THEN 'pending' ELSE 'superseded' END,
		superseded_by = j.newer,
		finished_at = CASE WHEN j.newer IS NOT NULL THEN clock_timestamp() END,
		failures = 0, not_before = NULL, cancelled_at = NULL, retried_at = clock_timestamp()
	FROM judged j WHERE r.id = j.id
	RETURNING r.id, r.batch_id, j.was, r.status
), moved AS (
	SELECT batch_id, was, status FROM changed UNION ALL SELECT batch_id, was, status FROM ended
), ` + movesSQL + `, tally AS (
	UPDATE batch b SET ` + addMoves + ` FROM moves m WHERE b.id = m.batch_id
)
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
	count(*) FILTER (WHERE status = 'superseded') AS superseded,
	(SELECT count(*) FROM batch b JOIN rename r ON r.batch_id = b.id WHERE b.id = @batch AND b.cancelled_at >= @began AND r.id = ANY (@ids)) AS left_out
FROM changed`

// retryChunk makes rows of one batch pending again, under the acceptance lock, so
// that no newer batch is accepted meanwhile. A row whose target has a newer
// rename that was or will be sent becomes superseded: a late retry never
// overwrites a newer name. Older renames of its target that are open are
// superseded by it in turn, as when a batch is loaded. The rows' failures are
// forgotten, so each has all its attempts.
//
// A batch that was cancelled after the retry began is left alone.
func (db *DB) retryChunk(ctx context.Context, batch int64, ids []int64, statuses []RowStatus, began time.Time) (out Retried, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			SELECT FROM acceptance WHERE site_id = (SELECT site_id FROM batch WHERE id = $1) FOR NO KEY UPDATE`, batch); err != nil {
			return fmt.Errorf("error locking the order of acceptance: %w", err)
		}
		args := pgx.NamedArgs{"batch": batch, "ids": ids, "statuses": statuses, "began": began}
		older, err := collect[struct{ ID, BatchID int64 }](ctx, tx, "looking for older renames", olderOpenSQL, args)
		if err != nil {
			return err
		}
		renames, batches := slices.Clone(ids), []int64{batch}
		for _, o := range older {
			renames, batches = append(renames, o.ID), append(batches, o.BatchID)
		}
		if err := lockRows(ctx, tx, renames, batches); err != nil {
			return err
		}
		list, err := collect[Retried](ctx, tx, "retrying rows", retrySQL, args)
		if err == nil && len(list) == 1 {
			out = list[0]
		}
		failpoint.Hit("retrying")
		return err
	})
	return out, err
}
