package db

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"relabel/internal/failpoint"
	"relabel/internal/pg"
)

// acceptChunk is how many rows of a batch supersede older ones in one transaction:
// some 100 ms, so that neither the acceptance lock nor a lock on the counters of
// an older batch is held for longer.
const acceptChunk = 2000

// acceptBatch gives a batch its place in the site's order, under the site's acceptance
// lock: from here on its rows are newer than all rows accepted before.
//
// Its rows supersede the older ones in chunks, by id. The first chunk is part of tx, so
// a small batch is accepted at once. AcceptMore does the others in transactions of
// their own, so that no lock is held for long. A row is sent only after its chunk.
func (db *DB) acceptBatch(ctx context.Context, tx pgx.Tx, siteID int, batchID int64) error {
	acceptance, err := nextAcceptance(ctx, tx, siteID)
	if err != nil {
		return err
	}
	if err := startBatch(ctx, tx, batchID, acceptance); err != nil || acceptance == 1 {
		return err
	}
	return db.acceptRows(ctx, tx, batchID)
}

// nextAcceptance takes the site's acceptance lock, until tx ends, and the next
// place in its order.
func nextAcceptance(ctx context.Context, tx pgx.Tx, siteID int) (n int64, err error) {
	err = tx.QueryRow(ctx, `UPDATE acceptance SET last = last + 1 WHERE site_id = $1 RETURNING last`, siteID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error accepting the batch: %w", err)
	}
	return n, nil
}

// startBatch makes an accepted batch active. The first of a site has no older
// rows to supersede: it is done at once when it holds nothing to send.
func startBatch(ctx context.Context, tx pgx.Tx, batchID, acceptance int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE batch SET acceptance = @acceptance, started_at = clock_timestamp(),
			accepted_to = CASE WHEN NOT @first THEN greatest(first_id - 1, 0) END,
			status = CASE WHEN @first AND total = ended THEN 'done' ELSE 'active' END,
			finished_at = CASE WHEN @first AND total = ended THEN clock_timestamp() END
		WHERE id = @batch`,
		pgx.NamedArgs{"batch": batchID, "acceptance": acceptance, "first": acceptance == 1})
	if err != nil {
		return fmt.Errorf("error accepting the batch: %w", err)
	}
	return nil
}

// AcceptMore accepts the next chunk of rows of a site, and reports whether there may be
// more. It returns false too while another process does it. A load calls it to the end;
// workers call it as well, and so finish a load that was killed.
func (db *DB) AcceptMore(ctx context.Context, siteID int) (more bool, err error) {
	var batchID int64
	err = db.Pool().QueryRow(ctx, `
		SELECT id FROM batch WHERE site_id = $1 AND status IN ('active', 'paused') AND accepted_to IS NOT NULL
		ORDER BY acceptance LIMIT 1`, siteID).Scan(&batchID)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("error looking for batches to accept: %w", err)
	}
	err = pg.RetryDeadlock(func() error {
		return pgx.BeginFunc(ctx, db.Pool(), func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtextextended('relabel accept', $1))`, batchID).Scan(&more)
			if err != nil || !more {
				return err
			}
			err = db.acceptRows(ctx, tx, batchID)
			failpoint.Hit("accepting")
			return err
		})
	})
	if err != nil {
		return false, fmt.Errorf("error accepting rows of batch %d: %w", batchID, err)
	}
	return more, nil
}

// acceptAll accepts all chunks of a site. If that fails, the workers go on: the batch
// itself is accepted already.
func (db *DB) acceptAll(ctx context.Context, siteID int) {
	for more := true; more; {
		var err error
		if more, err = db.AcceptMore(ctx, siteID); err != nil && ctx.Err() == nil {
			db.Log().Warn("the batch is accepted; its rows supersede older ones when a worker runs", "error", err)
		}
	}
}

// chunk is some rows of a batch that are accepted together: those with ids above
// After, up to Upto.
type chunk struct {
	Batch      int64
	Acceptance int64
	After      int64
	Upto       int64
	Last       bool // no rows come after it
}

// acceptRows accepts the next chunk of a batch. It locks the rows that may change, then
// their batches, and reads their state again, as that may have changed meanwhile.
func (db *DB) acceptRows(ctx context.Context, tx pgx.Tx, batchID int64) error {
	c, ok, err := db.nextChunk(ctx, tx, batchID)
	if err != nil || !ok {
		return err
	}
	t, err := lockTouched(ctx, tx, c)
	if err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `
		UPDATE batch SET accepted_to = CASE WHEN NOT @last THEN @upto::bigint END
		WHERE id = @batch AND accepted_to = @after AND status IN ('active', 'paused')`,
		pgx.NamedArgs{"batch": c.Batch, "after": c.After, "upto": c.Upto, "last": c.Last})
	if err != nil {
		return fmt.Errorf("error recording how far the batch is accepted: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil // it was cancelled while this waited
	}
	return t.supersede(ctx, tx, c)
}

// nextChunk reads which rows come next, by rename's primary key.
func (db *DB) nextChunk(ctx context.Context, tx pgx.Tx, batchID int64) (c chunk, ok bool, err error) {
	list, err := pg.Collect[chunk](ctx, tx, "reading which rows to accept", `
		SELECT b.id AS batch, b.acceptance, b.accepted_to AS after, coalesce(c.upto, b.accepted_to) AS upto, c.n <= @limit AS last
		FROM batch b CROSS JOIN LATERAL (
			SELECT max(r.id) FILTER (WHERE r.place <= @limit) AS upto, count(*) AS n FROM (
				SELECT r.id, row_number() OVER (ORDER BY r.id) AS place FROM rename r
				WHERE r.id > b.accepted_to AND r.id <= b.last_id AND r.batch_id = b.id
				ORDER BY r.id LIMIT @limit + 1
			) r
		) c
		WHERE b.id = @batch AND b.accepted_to IS NOT NULL AND b.status IN ('active', 'paused')`,
		pgx.NamedArgs{"batch": batchID, "limit": db.acceptChunk})
	if err != nil || len(list) == 0 {
		return chunk{}, false, err
	}
	return list[0], true, nil
}

// lockRows locks rows and then batches: the order that all statements keep. It returns
// the rows that were ever sent, by id.
func lockRows(ctx context.Context, tx pgx.Tx, renames, batches []int64) (sent []int64, err error) {
	batch := &pgx.Batch{}
	batch.Queue(`
		WITH locked AS MATERIALIZED (SELECT id, fence FROM rename WHERE id = ANY (@rename_ids) ORDER BY id FOR NO KEY UPDATE)
		SELECT id FROM locked WHERE fence > 0 ORDER BY id`, pgx.NamedArgs{"rename_ids": renames}).Query(func(rows pgx.Rows) (err error) {
		sent, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	batch.Queue(`SELECT FROM batch WHERE id = ANY (@batches) ORDER BY id FOR NO KEY UPDATE`, pgx.NamedArgs{"batches": batches})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("error locking %d renames: %w", len(renames), err)
	}
	return sent, nil
}

// supersede ends the older open rows of the chunk's targets (supersede.sql).
func (t touched) supersede(ctx context.Context, tx pgx.Tx, c chunk) error {
	own, statuses := t.changes()
	if len(own)+len(t.older) > 0 {
		args := pgx.NamedArgs{
			"batch": c.Batch, "own": own, "statuses": statuses, "older": t.older, "newer": t.newer, "older_batches": t.batches,
		}
		if _, err := tx.Exec(ctx, statement("supersede"), args); err != nil {
			return fmt.Errorf("error superseding older renames: %w", err)
		}
	}
	if !c.Last {
		return nil
	}
	_, err := tx.Exec(ctx, `
		UPDATE batch SET status = 'done', finished_at = clock_timestamp()
		WHERE id = $1 AND status IN ('active', 'paused') AND total = ended`, c.Batch)
	if err != nil {
		return fmt.Errorf("error ending the batch: %w", err)
	}
	return nil
}
