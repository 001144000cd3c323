package db

import (
	"context"

	"github.com/jackc/tern/v2/migrate"
)

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

	WorkedSQL        = workedSQL
	TroubledSQL      = troubledSQL
	WorkloadSQL      = workloadSQL
	OpenBatchesSQL   = openBatchesSQL
	NewestBatchesSQL = newestBatchesSQL
	SiteBatchesSQL   = siteBatchesSQL
)

// MigrateTo brings our own tables to a version, up or down.
func (db *DB) MigrateTo(ctx context.Context, version int32) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		return m.ours(ctx, func(o *migrate.Migrator) error { return o.MigrateTo(ctx, version) })
	})
}
