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

// Thinning is where a look through a run's rows has come to. Its zero value
// begins with the oldest run.
type Thinning struct {
	run   int64
	after int64 // the last rename looked at
}

// TidyRuns does one piece of what earlier runs of a site leave to be done: it
// cancels the plans of runs that ended without sending them, and deletes rows that
// nobody needs any more, one process at a time. It tells whether more is left, and
// from where it goes on.
func (db *DB) TidyRuns(ctx context.Context, siteID int, at Thinning) (next Thinning, more bool, err error) {
	if err := db.dropPlans(ctx, siteID); err != nil {
		return Thinning{}, false, err
	}
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		var ok bool
		if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtext('relabel thinning'), $1)`, siteID).Scan(&ok); err != nil || !ok {
			return err
		}
		next, more, err = thin(ctx, tx, siteID, at)
		return err
	})
	if err != nil {
		return Thinning{}, false, fmt.Errorf("error thinning earlier runs: %w", err)
	}
	return next, more, nil
}

// thickRun is a run that has ended, and whose rows stand for those of earlier runs.
type thickRun struct {
	Run      int64
	Schedule int
	Batch    int64
	First    int64 // with Last: the range of the batch's rows
	Last     int64
	Older    []int64 // the batches of its schedule whose rows it stands for
}

// thickSQL finds the oldest of them. A batch that was never accepted stands for
// nothing, not even for itself.
const thickSQL = `
SELECT r.id AS run, r.schedule_id AS schedule, r.batch_id AS batch, coalesce(b.first_id, 1) AS first, coalesce(b.last_id, 0) AS last, ARRAY(
	SELECT o.batch_id FROM schedule_run o JOIN batch ob ON ob.id = o.batch_id
	WHERE o.schedule_id = r.schedule_id AND (ob.acceptance < b.acceptance OR o.id = r.id AND b.acceptance IS NULL)) AS older
FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.batch_id IS NOT NULL AND NOT r.thinned
JOIN batch b ON b.id = r.batch_id
WHERE c.site_id = @site AND r.finished_at IS NOT NULL AND NOT r.drops_plan AND b.finished_at IS NOT NULL
ORDER BY r.id LIMIT 1`

// thin deletes rows of earlier runs that were as the source wanted them, where a
// newer run has looked at the same target: a night of 150,000 rows with 200
// differences would leave 55,000,000 rows a year. What was sent, or did not
// succeed, stays; a batch of which nothing is left goes too.
//
// The newest of a target stays, for it stands for what the site holds: a retry of
// an older row looks for it. So a night that does not name the target deletes
// nothing of it.
func thin(ctx context.Context, tx pgx.Tx, siteID int, at Thinning) (next Thinning, more bool, err error) {
	runs, err := collect[thickRun](ctx, tx, "reading earlier runs", thickSQL, pgx.NamedArgs{"site": siteID})
	if err != nil || len(runs) == 0 {
		return Thinning{}, false, err
	}
	r := runs[0]
	if at.run != r.Run {
		at = Thinning{r.Run, r.First - 1}
	}
	if len(r.Older) > 0 {
		last, err := thinChunkOf(ctx, tx, r, at.after)
		if err != nil {
			return Thinning{}, false, err
		}
		if last != nil {
			return Thinning{r.Run, *last}, true, nil
		}
	}
	return Thinning{}, true, endThinning(ctx, tx, r)
}

// thinChunkOf tells the last row looked at; nil when none is left.
func thinChunkOf(ctx context.Context, tx pgx.Tx, r thickRun, after int64) (last *int64, err error) {
	err = tx.QueryRow(ctx, statement("thin_chunk"), pgx.NamedArgs{
		"batch": r.Batch, "last": r.Last, "older": r.Older, "after": after, "limit": thinChunk,
	}).Scan(&last)
	if err != nil {
		return nil, fmt.Errorf("error deleting rows that run %d stands for: %w", r.Run, err)
	}
	return last, nil
}

// endThinning records that a run is through, and drops the batches that are empty
// by now.
func endThinning(ctx context.Context, tx pgx.Tx, r thickRun) error {
	empty, err := collect[planOf](ctx, tx, "recording that a run is thinned", `
		WITH changed AS (
			UPDATE schedule_run r SET thinned = true, batch_id = CASE WHEN b.total > 0 THEN r.batch_id END
			FROM batch b WHERE b.id = r.batch_id AND r.schedule_id = @schedule
				AND (r.id = @run OR b.id = ANY (@older) AND b.total = 0 AND b.finished_at IS NOT NULL)
			RETURNING b.id, b.total
		)
		SELECT id FROM changed WHERE total = 0`, pgx.NamedArgs{"schedule": r.Schedule, "run": r.Run, "older": r.Older})
	if err != nil || len(empty) == 0 {
		return err
	}
	ids := make([]int64, len(empty))
	for i, b := range empty {
		ids[i] = b.ID
	}
	if _, err := tx.Exec(ctx, `DELETE FROM batch WHERE id = ANY ($1)`, ids); err != nil {
		return fmt.Errorf("error deleting empty batches: %w", err)
	}
	return nil
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
