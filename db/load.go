package db

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/failpoint"
)

// Row is one row of a source, validated.
type Row struct {
	Line         int64
	AssetID      string
	LocaleID     string
	DisplayName  *string
	AltText      *string
	ExpectedName *string
	Refused      string // why the row is invalid; empty: it is good
}

// LoadParams describes a batch to be.
type LoadParams struct {
	SiteID   int
	Name     string
	Source   string
	Priority int                                 // 1 first to 4 last
	Force    bool                                // send also what the target has already
	Planned  bool                                // only store it: Compare and Apply come later, and Queue is not called
	Map      string                              // how its columns were named, to be kept
	Rows     iter.Seq2[*Row, error]              // the pointer is valid until the next row; an error ends the load, nothing is kept
	Queue    func(context.Context, pgx.Tx) error // gives the first renames their jobs, in the load's transaction

	// Stored is told the batch's number at the load's end, in its transaction; nil:
	// nobody is.
	Stored func(ctx context.Context, tx pgx.Tx, batchID int64) error
}

// ErrNoRows says that a source had a header and no rows.
var ErrNoRows = errors.New("the source holds no rows")

// loadMemory is work_mem for the statements that compare a whole batch with
// itself and with older ones; beyond it PostgreSQL sorts on disk.
const loadMemory = "64MB"

// Load makes a batch of all rows, or nothing: one transaction copies them,
// supersedes earlier rows of the same target in the batch and in older ones,
// accepts the batch in the site's order, and queues its first renames.
//
// It takes constant memory here. The site's lock is held only for the end, so
// that a slow source keeps nobody waiting.
func (db *DB) Load(ctx context.Context, p LoadParams) (batchID int64, err error) {
	err = pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		batchID, err = loadBatch(ctx, tx, p)
		if err == nil && p.Stored != nil {
			err = p.Stored(ctx, tx, batchID)
		}
		failpoint.Hit("load-committing")
		return err
	})
	failpoint.Hit("load-committed")
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == stoodStill || pgconn.SafeToRetry(err) {
		err = fmt.Errorf("the load lost its connection, and was undone (one that stands still for %s does, so that it holds nobody up): load it again", standstill)
	}
	return batchID, err
}

func loadBatch(ctx context.Context, tx pgx.Tx, p LoadParams) (int64, error) {
	if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = on; SET LOCAL work_mem = '`+loadMemory+`'`); err != nil {
		return 0, fmt.Errorf("error preparing the load: %w", err)
	}
	id, err := insertBatch(ctx, tx, p)
	if err != nil {
		return 0, err
	}
	counts, err := copyRows(ctx, tx, p, id)
	if err != nil {
		return 0, err
	}
	failpoint.Hit("load-copied")
	if err := supersedeWithin(ctx, tx, id, &counts); err != nil {
		return 0, err
	}
	if err := tallyLoad(ctx, tx, id, counts); err != nil || p.Planned {
		return id, err
	}
	if err := acceptBatch(ctx, tx, p, id, counts); err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
		return 0, fmt.Errorf("error ending the load: %w", err)
	}
	return id, p.Queue(ctx, tx)
}

func insertBatch(ctx context.Context, tx pgx.Tx, p LoadParams) (id int64, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO batch (site_id, name, source, priority, forced, column_map)
		VALUES (@site_id, @name, @source, @priority, @forced, nullif(@map, '')) RETURNING id`,
		pgx.NamedArgs{
			"site_id": p.SiteID, "name": p.Name, "source": p.Source, "priority": p.Priority, "forced": p.Force, "map": p.Map,
		}).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("error creating the batch: %w", err)
	}
	return id, nil
}

// loadCounts are the rows of a batch as they were loaded.
type loadCounts struct {
	total, invalid, superseded int64
	firstID, lastID            int64 // bounds of the rows' ids
}

func copyRows(ctx context.Context, tx pgx.Tx, p LoadParams, batchID int64) (loadCounts, error) {
	next, stop := iter.Pull2(p.Rows)
	defer stop()
	src := &rowSource{next: next, batchID: batchID, siteID: p.SiteID}
	if err := tx.QueryRow(ctx, `SELECT now(), last_value FROM rename_id_seq`).Scan(&src.now, &src.counts.firstID); err != nil {
		return src.counts, fmt.Errorf("error preparing to copy rows: %w", err)
	}
	_, err := tx.CopyFrom(ctx, pgx.Identifier{"rename"}, rowColumns(), src)
	switch {
	case src.err != nil:
		return src.counts, src.err // the source's own words
	case err != nil:
		return src.counts, fmt.Errorf("error copying rows: %w", err)
	case src.counts.total == 0:
		return src.counts, ErrNoRows
	}
	if err := tx.QueryRow(ctx, `SELECT last_value FROM rename_id_seq`).Scan(&src.counts.lastID); err != nil {
		return src.counts, fmt.Errorf("error after copying rows: %w", err)
	}
	return src.counts, nil
}

// supersedeWithin lets the last row of a target win over earlier ones of the
// same batch.
func supersedeWithin(ctx context.Context, tx pgx.Tx, batchID int64, counts *loadCounts) error {
	tag, err := tx.Exec(ctx, `
		WITH ranked AS (
			SELECT id, max(id) OVER (PARTITION BY asset_id, locale_id) AS last FROM rename
			WHERE batch_id = @batch AND finished_at IS NULL
		)
		UPDATE rename r SET status = 'superseded', superseded_by = k.last, finished_at = clock_timestamp()
		FROM ranked k WHERE r.id = k.id AND k.id < k.last`,
		pgx.NamedArgs{"batch": batchID})
	if err != nil {
		return fmt.Errorf("error finding rows of the same target: %w", err)
	}
	counts.superseded = tag.RowsAffected()
	return nil
}

// tallyLoad gives a batch its counts as loaded. It is planned from here on,
// until it is accepted.
func tallyLoad(ctx context.Context, tx pgx.Tx, batchID int64, c loadCounts) error {
	_, err := tx.Exec(ctx, `
		UPDATE batch SET status = 'planned', first_id = @first_id, last_id = @last_id,
			total = @total, invalid = @invalid, superseded = @superseded
		WHERE id = @batch`,
		pgx.NamedArgs{
			"batch": batchID, "first_id": c.firstID, "last_id": c.lastID,
			"total": c.total, "invalid": c.invalid, "superseded": c.superseded,
		})
	if err != nil {
		return fmt.Errorf("error counting the batch's rows: %w", err)
	}
	return nil
}

// acceptBatch gives the batch its place in the site's order, under the site's
// lock: from here on its rows are newer than all rows accepted before, and
// those of them that are still open are superseded.
func acceptBatch(ctx context.Context, tx pgx.Tx, p LoadParams, batchID int64, c loadCounts) error {
	acceptance, err := nextAcceptance(ctx, tx, p.SiteID)
	if err != nil {
		return err
	}
	if err := supersedeOlder(ctx, tx, p.SiteID, batchID, c.total); err != nil {
		return err
	}
	if !p.Force && acceptance > 1 {
		if err := markUnchanged(ctx, tx, batchID); err != nil {
			return err
		}
	}
	return startBatch(ctx, tx, batchID, acceptance)
}

// nextAcceptance takes the site's lock, until tx ends, and the next place in its
// order.
func nextAcceptance(ctx context.Context, tx pgx.Tx, siteID int) (n int64, err error) {
	err = tx.QueryRow(ctx, `
		UPDATE site SET last_acceptance = last_acceptance + 1 WHERE id = $1 RETURNING last_acceptance`, siteID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error accepting the batch: %w", err)
	}
	return n, nil
}

// startBatch makes an accepted batch active, or done when it holds nothing to
// send.
func startBatch(ctx context.Context, tx pgx.Tx, batchID, acceptance int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE batch SET acceptance = $2, started_at = clock_timestamp(),
			status = CASE WHEN total = ended THEN 'done' ELSE 'active' END,
			finished_at = CASE WHEN total = ended THEN clock_timestamp() END
		WHERE id = $1`, batchID, acceptance)
	if err != nil {
		return fmt.Errorf("error accepting the batch: %w", err)
	}
	return nil
}

// markUnchanged ends the rows whose target already has the value by our own
// record: the last rename of the target that was ever claimed is one that
// succeeded with this value. Anything else since (a failure, a call in flight,
// one of unknown outcome, a claim whose process is gone) and the row is sent.
//
// One look-up in rename_target_idx a row.
func markUnchanged(ctx context.Context, tx pgx.Tx, batchID int64) error {
	_, err := tx.Exec(ctx, `
		WITH moved AS (
			UPDATE rename r SET status = 'unchanged', finished_at = clock_timestamp()
			FROM rename n CROSS JOIN LATERAL (
				SELECT o.status, o.display_name, o.alt_text
				FROM rename o JOIN batch b ON b.id = o.batch_id
				WHERE o.asset_id = n.asset_id AND o.locale_id = n.locale_id AND o.site_id = n.site_id
					AND o.id <> n.id AND o.fence > 0
				ORDER BY b.acceptance DESC, o.id DESC LIMIT 1
			) last
			WHERE n.batch_id = @batch AND n.finished_at IS NULL AND r.id = n.id
				AND last.status = 'succeeded'
				AND (n.display_name IS NULL OR n.display_name = last.display_name)
				AND (n.alt_text IS NULL OR n.alt_text = last.alt_text)
			RETURNING r.batch_id, 'pending' AS was, r.status
		), `+countMoves, pgx.NamedArgs{"batch": batchID})
	if err != nil {
		return fmt.Errorf("error comparing with what was sent before: %w", err)
	}
	return nil
}

// supersedeOlder ends the open renames of older batches that have a target in
// this one. One whose call is in flight stays sending, marked, until its
// answer; finishSQL then ends it.
//
// Those of a cancelled batch are on their way to cancelled, and end here too: a
// claim that began before the cancelling must find the row's new state under
// its lock, and a call in flight must not be tried again.
//
// PostgreSQL has no statistics of rows copied a moment ago, so the order of the
// join is written out: from the smaller side, looking up the other one's
// targets in rename_target_idx. (The status and not finished_at is asked for,
// to keep rename_open_idx, which would read the whole batch for every row, out
// of it.)
func supersedeOlder(ctx context.Context, tx pgx.Tx, siteID int, batchID, rows int64) error {
	var open int64
	err := tx.QueryRow(ctx, `
		SELECT coalesce(sum(total - ended), 0)::bigint FROM batch
		WHERE site_id = $1 AND id <> $2 AND status IN ('active', 'paused', 'cancelled') AND finished_at IS NULL`,
		siteID, batchID).Scan(&open)
	if err != nil {
		return fmt.Errorf("error counting older renames: %w", err)
	}
	if open == 0 {
		return nil
	}
	join := fromOlder
	if rows < open {
		join = fromNewer
	}
	if _, err := tx.Exec(ctx, `SET LOCAL join_collapse_limit = 1`); err != nil {
		return fmt.Errorf("error preparing to supersede: %w", err)
	}
	_, err = tx.Exec(ctx, fmt.Sprintf(supersedeSQL, join), pgx.NamedArgs{"site": siteID, "batch": batchID})
	if err != nil {
		return fmt.Errorf("error superseding older renames: %w", err)
	}
	return nil
}

const (
	fromOlder = `batch b
		JOIN rename o ON o.batch_id = b.id AND o.finished_at IS NULL
		JOIN rename n ON n.asset_id = o.asset_id AND n.locale_id = o.locale_id AND n.site_id = o.site_id`

	fromNewer = `rename n
		JOIN rename o ON o.asset_id = n.asset_id AND o.locale_id = n.locale_id AND o.site_id = n.site_id
			AND o.status IN ('pending', 'sending') AND n.finished_at IS NULL
		JOIN batch b ON b.id = o.batch_id`

	supersedeSQL = `
WITH older AS (
	SELECT o.id, o.status, n.id AS newer, b.status = 'cancelled' AS cancelled FROM %s
	WHERE n.batch_id = @batch AND n.status = 'pending' AND b.site_id = @site AND b.id <> @batch
		AND b.status IN ('active', 'paused', 'cancelled') AND b.finished_at IS NULL
	ORDER BY o.id FOR NO KEY UPDATE OF o
), ` + endOlder

	// endOlder is the end of a statement that names open renames in a CTE "older"
	// (id, status, newer: what supersedes it, cancelled: whether its batch is).
	endOlder = `moved AS (
	UPDATE rename r SET superseded_by = o.newer, not_before = NULL,
		status = CASE WHEN r.status <> 'pending' THEN r.status WHEN o.cancelled THEN 'cancelled' ELSE 'superseded' END,
		finished_at = CASE r.status WHEN 'pending' THEN clock_timestamp() END
	FROM older o WHERE r.id = o.id AND r.finished_at IS NULL
	RETURNING r.batch_id, o.status AS was, r.status
), ` + countMoves
)
