package db

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/failpoint"
	"relabel/internal/pg"
)

// SourceRow is one row of a source, validated.
type SourceRow struct {
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
	Notify   []string                            // the addresses that get notices about it
	Rows     iter.Seq2[*SourceRow, error]        // the pointer is valid until the next row; an error ends the load, nothing is kept
	Queue    func(context.Context, pgx.Tx) error // gives the first renames their jobs, in the load's transaction

	// Stored is told the batch's number at the load's end, in its transaction; nil:
	// nobody is.
	Stored func(ctx context.Context, tx pgx.Tx, batchID int64) error
}

// ErrNoRows means that a source had a header and no rows.
var ErrNoRows = errors.New("the source holds no rows")

// LoadUnknownError is returned when nobody knows whether a load's COMMIT took effect.
// It wraps pg.ErrCommitUnknown.
type LoadUnknownError struct {
	Batch int64 // the number that the batch has if it was stored
	Err   error
}

func (e *LoadUnknownError) Error() string {
	return fmt.Sprintf("error loading batch %d: %v", e.Batch, e.Err)
}

// Unwrap implements errors.Is and errors.As.
func (e *LoadUnknownError) Unwrap() error { return e.Err }

// loadMemory is work_mem for the statements that compare a whole batch with
// itself and with older ones; beyond it PostgreSQL sorts on disk.
const loadMemory = "64MB"

// Load makes a batch of all rows, or nothing: one transaction copies them, lets
// the last row of a target supersede earlier ones of the batch, accepts the batch
// in the site's order, and queues its first renames. Rows of a large batch
// supersede those of older batches after it, in chunks (acceptBatch).
//
// It takes constant memory here. The acceptance lock is held only for the end, so
// a slow source keeps nobody waiting. An error means that nothing was loaded, except
// a LoadUnknownError.
func (db *DB) Load(ctx context.Context, p LoadParams) (batchID int64, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		batchID, err = db.loadBatch(ctx, tx, p)
		if err == nil && p.Stored != nil {
			err = p.Stored(ctx, tx, batchID)
		}
		failpoint.Hit("load-committing")
		return err
	})
	failpoint.Hit("load-committed")
	switch {
	case err == nil:
		db.acceptAll(ctx, p.SiteID)
	case errors.Is(err, pg.ErrCommitUnknown):
		err = &LoadUnknownError{Batch: batchID, Err: err}
	case pg.LostConnection(err):
		err = fmt.Errorf("the load lost its connection, and was undone: load it again (PostgreSQL ends a load that stops for %s, so that others need not wait)", pg.Standstill)
	}
	return batchID, err
}

func (db *DB) loadBatch(ctx context.Context, tx pgx.Tx, p LoadParams) (int64, error) {
	if _, err := tx.Exec(ctx, `SET LOCAL work_mem = '`+loadMemory+`'`); err != nil {
		return 0, fmt.Errorf("error preparing the load: %w", err)
	}
	id, err := insertBatch(ctx, tx, p)
	if err != nil {
		return 0, err
	}
	if err := addNotify(ctx, tx, id, p.Notify); err != nil {
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
	if err := db.acceptBatch(ctx, tx, p.SiteID, id); err != nil {
		return 0, err
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
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == foreignKeyViolation {
		return 0, fmt.Errorf("%w: it was removed meanwhile", ErrNoSite)
	}
	if err != nil {
		return 0, fmt.Errorf("error creating the batch: %w", err)
	}
	return id, nil
}

// loadCounts count the rows of a batch as they were loaded.
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

// supersedeWithin supersedes all but the last row of each target in the batch. Nested
// loops are off: PostgreSQL has no statistics of rows that were just copied, or some
// that say the table is empty, and would compare all rows with all.
func supersedeWithin(ctx context.Context, tx pgx.Tx, batchID int64, counts *loadCounts) error {
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = off`); err != nil {
		return fmt.Errorf("error preparing to find rows of the same target: %w", err)
	}
	tag, err := tx.Exec(ctx, `
		WITH ranked AS (
			SELECT id, max(id) OVER (PARTITION BY asset_id, locale_id) AS last FROM rename
			WHERE id BETWEEN @first AND @last AND batch_id = @batch AND finished_at IS NULL
		)
		UPDATE rename r SET status = 'superseded', superseded_by = k.last, finished_at = clock_timestamp()
		FROM ranked k WHERE r.id = k.id AND k.id < k.last AND r.id BETWEEN @first AND @last`,
		pgx.NamedArgs{"batch": batchID, "first": counts.firstID, "last": counts.lastID})
	if err != nil {
		return fmt.Errorf("error finding rows of the same target: %w", err)
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = on`); err != nil {
		return fmt.Errorf("error after finding rows of the same target: %w", err)
	}
	counts.superseded = tag.RowsAffected()
	return nil
}

// tallyLoad stores the counts of a loaded batch. The batch is planned until it is
// accepted.
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

// markUnchanged ends the rows of a plan whose target already has the value by our
// own record: the row that set a field last succeeded with this value. After a failure, a
// call in flight or one of unknown outcome we do not know.
//
// One look-up in rename_target_idx a row and field.
func markUnchanged(ctx context.Context, tx pgx.Tx, batchID int64) error {
	_, err := tx.Exec(ctx, `
		WITH moved AS (
			UPDATE rename r SET status = 'unchanged', finished_at = clock_timestamp()
			FROM rename m
			WHERE m.batch_id = @batch AND m.finished_at IS NULL AND r.id = m.id
				AND (m.display_name IS NULL OR (
					SELECT last.status = 'succeeded' AND last.display_name = m.display_name FROM (`+statement("last_name")+`) last))
				AND (m.alt_text IS NULL OR (
					SELECT last.status = 'succeeded' AND last.alt_text = m.alt_text FROM (`+statement("last_alt")+`) last))
			RETURNING r.batch_id, 'pending' AS was, r.status
		), `+statement("count_moves"), pgx.NamedArgs{"batch": batchID})
	if err != nil {
		return fmt.Errorf("error comparing with what was sent before: %w", err)
	}
	return nil
}
