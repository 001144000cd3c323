package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Hot statements, for the tests of their plans.
const (
	LockRenamesSQL     = lockRenames
	ClaimSQL           = claimSQL
	FinishSQL          = finishSQL
	FeedSQL            = feedSQL
	PromoteSQL         = promoteSQL
	GrantSQL           = grantSQL
	ObserveSQL         = observeSQL
	OneBatchSQL        = batchStatusSQL + `WHERE b.id = @id`
	OpenOfCancelledSQL = openOfCancelledSQL
	EndCancelledSQL    = endCancelledSQL
	TouchedSQL         = touchedSQL
	SupersedeSQL       = supersedeSQL
)

// AcceptInChunksOf sets how many rows of a batch are accepted in one transaction.
func (db *DB) AcceptInChunksOf(rows int) { db.acceptChunk = rows }

// LoadFirst loads a batch as a process does that dies right after the commit: what
// is not accepted yet is left to others.
func (db *DB) LoadFirst(ctx context.Context, p LoadParams) (id int64, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		id, err = db.loadBatch(ctx, tx, p)
		return err
	})
	return id, err
}

// ApplyFirst applies a plan likewise.
func (db *DB) ApplyFirst(ctx context.Context, p ApplyParams) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		_, err := db.apply(ctx, tx, p)
		return err
	})
}
