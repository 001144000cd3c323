package db

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// OpenBatches lists the batches that are active or paused, of all sites, in the
// order in which their rows are sent. Served by batch_open_idx.
func (db *DB) OpenBatches(ctx context.Context, limit int) ([]BatchStatus, error) {
	return collect[BatchStatus](ctx, db.pool, "listing open batches", batchStatusSQL+`
		WHERE b.status IN ('active', 'paused') ORDER BY b.site_id, b.priority, b.acceptance LIMIT @limit`,
		pgx.NamedArgs{"limit": limit})
}
