package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// maxBatchLook is how many batches FindBatches examines for one page: within 20 ms.
const maxBatchLook = 10_000

// BatchFilter chooses batches. Its zero value chooses all.
type BatchFilter struct {
	Name   string // part of the name, in any case
	Site   string
	Status db.BatchStatus
	Bad    bool          // only those with rows that did not succeed
	Within time.Duration // loaded within that time; 0: ever
	Before int64         // only those before this batch; 0: from the newest
	Limit  int
}

// FindBatches lists a page of batches, the newest first. It goes down the primary key and
// examines maxBatchLook batches.
func FindBatches(ctx context.Context, d *db.DB, f BatchFilter) ([]BatchProgress, error) {
	return pg.Collect[BatchProgress](ctx, d.Pool(), "searching batches", statement("batch_progress")+`
		WHERE b.id = ANY (ARRAY(
			SELECT o.id FROM (
				SELECT id, name, site_id, status, created_at, failed + conflict + invalid AS bad FROM batch
				WHERE @before::bigint = 0 OR id < @before ORDER BY id DESC LIMIT @look
			) o JOIN site x ON x.id = o.site_id
			WHERE (@name = '' OR strpos(lower(o.name), lower(@name)) > 0) AND (@site = '' OR x.name = @site)
				AND (@status = '' OR o.status = @status) AND (NOT @bad OR o.bad > 0)
				AND (@within::interval = '0' OR o.created_at > clock_timestamp() - @within::interval)
			ORDER BY o.id DESC LIMIT @limit
		)) ORDER BY b.id DESC`, pgx.NamedArgs{
		"name": f.Name, "site": f.Site, "status": string(f.Status), "bad": f.Bad, "within": f.Within,
		"before": f.Before, "limit": f.Limit, "look": maxBatchLook,
	})
}
