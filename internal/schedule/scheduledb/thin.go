package scheduledb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

const (
	// thinChunk is how many rows go in one statement.
	thinChunk = 10_000

	// keptRuns is how many runs of a schedule its history has: of a nightly one
	// nearly three years, of one every five minutes three days.
	keptRuns = 1_000
)

// Thinning is how far the rows of earlier runs have been examined. Its zero value begins
// with the oldest run.
type Thinning struct {
	run   int64
	after int64 // the last rename looked at
}

// TidyRuns cleans up a little after earlier runs of a site, one process at a time: it
// cancels the plans of runs that ended without sending them, and deletes rows that are
// not needed any more. It returns where to go on, and whether more is left.
func TidyRuns(ctx context.Context, d *db.DB, siteID int, at Thinning) (next Thinning, more bool, err error) {
	if err := dropPlans(ctx, d, siteID); err != nil {
		return Thinning{}, false, err
	}
	err = pgx.BeginFunc(ctx, d.Pool(), func(tx pgx.Tx) error {
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

// thickRun is a run that has ended, and whose rows may replace those of earlier runs.
type thickRun struct {
	Run      int64
	Schedule int
	Batch    int64
	First    int64 // with Last: the range of the batch's rows
	Last     int64
	Older    []int64 // the earlier batches of its schedule
}

// thickSQL finds the oldest of them. The rows of a batch that was never accepted are not
// needed, so it counts among its own older ones.
const thickSQL = `
SELECT r.id AS run, r.schedule_id AS schedule, r.batch_id AS batch, coalesce(b.first_id, 1) AS first, coalesce(b.last_id, 0) AS last, ARRAY(
	SELECT o.batch_id FROM schedule_run o JOIN batch ob ON ob.id = o.batch_id
	WHERE o.schedule_id = r.schedule_id AND (ob.acceptance < b.acceptance OR o.id = r.id AND b.acceptance IS NULL)) AS older
FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.batch_id IS NOT NULL AND NOT r.thinned
JOIN batch b ON b.id = r.batch_id
WHERE c.site_id = @site AND r.finished_at IS NOT NULL AND NOT r.drops_plan AND b.finished_at IS NOT NULL
ORDER BY r.id LIMIT 1`

// thin deletes unchanged rows of earlier runs where a newer run has a row of the same
// target: a nightly run of 150,000 rows with 200 differences would leave 55,000,000 rows
// a year. Rows that were sent, or are bad, stay. A batch without rows is deleted too.
//
// The newest row of a target stays, as a retry of an older row needs it to know what the
// site holds. So a run that does not name a target deletes none of its rows.
func thin(ctx context.Context, tx pgx.Tx, siteID int, at Thinning) (next Thinning, more bool, err error) {
	runs, err := pg.Collect[thickRun](ctx, tx, "reading earlier runs", thickSQL, pgx.NamedArgs{"site": siteID})
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

// thinChunkOf returns the last row that it examined; nil when none is left.
func thinChunkOf(ctx context.Context, tx pgx.Tx, r thickRun, after int64) (last *int64, err error) {
	err = tx.QueryRow(ctx, statement("thin_chunk"), pgx.NamedArgs{
		"batch": r.Batch, "last": r.Last, "older": r.Older, "after": after, "limit": thinChunk,
	}).Scan(&last)
	if err != nil {
		return nil, fmt.Errorf("error deleting rows that run %d replaces: %w", r.Run, err)
	}
	return last, nil
}

// endThinning records that a run is done with, and deletes the batches that have become
// empty.
func endThinning(ctx context.Context, tx pgx.Tx, r thickRun) error {
	empty, err := pg.CollectIDs(ctx, tx, "recording that a run is thinned", `
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
	if _, err := tx.Exec(ctx, `DELETE FROM batch WHERE id = ANY ($1)`, empty); err != nil {
		return fmt.Errorf("error deleting empty batches: %w", err)
	}
	return nil
}

// forgetRuns deletes the oldest runs of a schedule, more at a time than are made. Their
// batches stay. Served by schedule_run_history_idx.
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
