package db

import "github.com/jackc/pgx/v5/pgxpool"

// Hot statements, for the tests of their plans.
const (
	LockRenamesSQL = lockRenames
	ClaimSQL       = claimSQL
	FinishSQL      = finishSQL
	FeedSQL        = feedSQL
	PromoteSQL     = promoteSQL
	GrantSQL       = grantSQL
	ObserveSQL     = observeSQL
	OneBatchSQL    = batchStatusSQL + `WHERE b.id = @id`
	CancelOpenSQL  = cancelOpenSQL
)

// OnPool is a DB on a test's own pool.
func OnPool(pool *pgxpool.Pool) *DB { return &DB{pool: pool} }
