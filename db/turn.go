package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"relabel/internal/failpoint"
)

// lockBreakers and lockBatches keep the order of locks (docs/design.md) where outcomes and
// claims share a transaction: without them a turn would take the batches of its outcomes
// before the breaker and the batches of its claims.
const (
	lockBreakers = `
SELECT FROM breaker
WHERE site_id IN (SELECT site_id FROM rename WHERE id = ANY (@rename_ids)) AND (@ill OR failures > 0 OR opened_at IS NOT NULL)
ORDER BY site_id FOR NO KEY UPDATE`
	lockBatches = `
SELECT FROM batch
WHERE id IN (SELECT batch_id FROM rename WHERE id = ANY (@rename_ids))
ORDER BY id FOR NO KEY UPDATE`
)

// beginShared begins a transaction that sites may share.
//
// It keeps the plans of the statements. By itself PostgreSQL would plan them anew each time,
// because it takes a plan for one rename to be cheaper than one for any number: planning took
// as long as the rest of the turn.
const beginShared = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('lock_timeout', @lock_time::text, true)`

// lockNotAvailable is PostgreSQL's code for a lock that was not free in time.
const lockNotAvailable = "55P03"

// ErrHeldUp means that another transaction has the rows or the lane, and has kept them for
// longer than a LockTime. Nothing was done.
var ErrHeldUp = errors.New("another transaction holds the lock")

func queueShared(batch *pgx.Batch, lockTime time.Duration) {
	batch.Queue(beginShared, pgx.NamedArgs{"lock_time": fmt.Sprint(lockTime.Milliseconds())})
}

// heldUp names a lock that was not free in time.
func heldUp(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == lockNotAvailable {
		return ErrHeldUp
	}
	return err
}

// Turn records outcomes and takes leases in one transaction and one round trip: half the
// commits of two, and neither waits for the other's lock on the batch's row. The outcomes
// come first, so a claim sees what they changed. Either may be empty, and they may be of
// several sites.
func (db *DB) Turn(ctx context.Context, c ClaimParams, f FinishParams) (claims []Claim, statuses map[int64]RowStatus, err error) {
	statuses = make(map[int64]RowStatus, len(f.Finishes))
	batch := &pgx.Batch{}
	queueShared(batch, c.LockTime)
	queueLocks(batch, c, f)
	switch {
	case f.plain():
		queueSucceeded(batch, f, statuses)
	case len(f.Finishes) > 0:
		queueFinish(batch, f, statuses)
	}
	if len(c.RenameIDs) > 0 {
		queueClaim(batch, c, &claims)
	}
	queueSettle(batch, f)
	sent := db.Pool().SendBatch(ctx, batch)
	if len(f.Finishes) > 0 {
		failpoint.Hit("in-finish") // sent, and perhaps not committed yet
	}
	if err := sent.Close(); err != nil {
		return nil, nil, fmt.Errorf("error claiming renames and recording outcomes: %w", heldUp(err))
	}
	return claims, statuses, nil
}

// queueLocks takes the locks that the turn's own statements do not take in order.
func queueLocks(batch *pgx.Batch, c ClaimParams, f FinishParams) {
	rows := pgx.NamedArgs{"rename_ids": slices.Concat(f.ids(), c.RenameIDs), "answered": f.ids(), "ill": f.ill()}
	batch.Queue(lockRenames, rows)
	switch {
	case f.plain():
		batch.Queue(statement("close_breakers"), rows)
		batch.Queue(lockBatches, rows)
	case len(f.Finishes) > 0 && len(c.RenameIDs) > 0:
		batch.Queue(lockBreakers, rows)
		batch.Queue(lockBatches, rows)
	}
}
