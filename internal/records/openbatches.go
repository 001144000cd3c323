package records

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

const openBatches = `
	WHERE b.status IN ('active', 'paused') AND (@sites::text[] = '{}' OR s.name = ANY (@sites))
	ORDER BY b.site_id, b.priority, b.acceptance LIMIT @limit`

// OpenBatches lists the active and paused batches of some sites, or of all when none is
// named, in the order in which their rows are sent. Served by batch_open_idx.
func OpenBatches(ctx context.Context, d *db.DB, limit int, sites ...string) ([]BatchProgress, error) {
	return pg.Collect[BatchProgress](ctx, d.Pool(), "listing open batches", statement("batch_progress")+openBatches,
		pgx.NamedArgs{"limit": limit, "sites": append([]string{}, sites...)})
}
