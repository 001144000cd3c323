package db

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

const (
	// thinChunk is how many rows go in one statement.
	thinChunk = 10_000

	// keptRuns is how many runs of a schedule its history has: of a nightly one
	// nearly three years, of one every five minutes three days.
	keptRuns = 1_000
)

// thinRuns deletes the rows of earlier runs that were as the source wanted them,
// once a newer run has looked at all of them again: a night of 150,000 rows with
// 200 differences would leave 55,000,000 rows a year. What was sent, or did not
// succeed, stays; a batch of which nothing is left goes too.
//
// The newest run's stay, for they stand for what the site holds: a retry of an
// older row looks for them.
func (db *DB) thinRuns(ctx context.Context, siteID int) error {
	runs, err := collect[droppedPlan](ctx, db.pool, "reading earlier runs", `
		SELECT r.id AS run, r.batch_id AS batch FROM schedule c
		JOIN schedule_run r ON r.schedule_id = c.id AND r.batch_id IS NOT NULL AND NOT r.thinned
		WHERE c.site_id = @site AND r.finished_at IS NOT NULL AND NOT r.drops_plan AND EXISTS (
			SELECT FROM schedule_run n
			WHERE n.schedule_id = c.id AND n.batch_id IS NOT NULL AND NOT n.thinned AND n.id > r.id AND n.applied_at IS NOT NULL)
		ORDER BY r.id LIMIT 100`, pgx.NamedArgs{"site": siteID})
	if err != nil {
		return err
	}
	for _, r := range runs {
		if err := db.thinBatch(ctx, *r.Batch); err != nil {
			return err
		}
		_, err := db.pool.Exec(ctx, `
			WITH gone AS (DELETE FROM batch WHERE id = $2 AND total = 0 AND finished_at IS NOT NULL RETURNING id)
			UPDATE schedule_run SET thinned = true, batch_id = CASE WHEN EXISTS (SELECT FROM gone) THEN NULL ELSE batch_id END
			WHERE id = $1`, r.Run, *r.Batch)
		if err != nil {
			return fmt.Errorf("error recording that a run keeps only what differed: %w", err)
		}
	}
	return nil
}

// thinBatch goes through a batch by the primary key of its rows.
func (db *DB) thinBatch(ctx context.Context, batchID int64) error {
	for after := int64(0); ; {
		var last *int64
		err := db.pool.QueryRow(ctx, `
			WITH gone AS (
				DELETE FROM rename r WHERE r.status = 'unchanged' AND r.id = ANY (ARRAY(
					SELECT o.id FROM batch b JOIN rename o ON o.id BETWEEN b.first_id AND b.last_id AND o.batch_id = b.id
					WHERE b.id = @batch AND o.id > @after AND o.status = 'unchanged' ORDER BY o.id LIMIT @limit))
				RETURNING r.id
			), n AS (SELECT count(*) AS rows, max(id) AS last FROM gone)
			UPDATE batch b SET total = b.total - n.rows, unchanged = b.unchanged - n.rows FROM n WHERE b.id = @batch
			RETURNING n.last`, pgx.NamedArgs{"batch": batchID, "after": after, "limit": thinChunk}).Scan(&last)
		if err != nil {
			return fmt.Errorf("error deleting rows of batch %d that were as wanted: %w", batchID, err)
		}
		if last == nil {
			return nil
		}
		after = *last
	}
}

// forgetRuns deletes the oldest runs of a schedule that is due, a few more than
// come at once. Their batches stay. Served by schedule_run_history_idx.
func forgetRuns(ctx context.Context, tx pgx.Tx, s Schedule) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM schedule_run WHERE id = ANY (ARRAY(
			SELECT o.id FROM schedule_run o
			WHERE o.schedule_id = @schedule AND o.finished_at IS NOT NULL AND (o.batch_id IS NULL OR o.thinned) AND NOT o.drops_plan
				AND o.id < (SELECT n.id FROM schedule_run n WHERE n.schedule_id = @schedule ORDER BY n.id DESC OFFSET @kept LIMIT 1)
			ORDER BY o.id LIMIT 10))`, pgx.NamedArgs{"schedule": s.ID, "kept": keptRuns - 1})
	if err != nil {
		return fmt.Errorf("error forgetting old runs of %s: %w", s.Name, err)
	}
	return nil
}
