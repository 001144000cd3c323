package records

import (
	"context"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Stranded counts rows of one batch that a newer batch superseded, and that were not
// sent because the newer one was then cancelled. Only a retry sends them.
type Stranded struct {
	Batch int64 `json:"batch"`
	Rows  int64 `json:"rows"`
}

// strandedLook bounds the rows of a cancelled batch that are examined: some seconds.
// Rows beyond it are not counted.
const strandedLook = 200_000

// StrandedBy finds the stranded rows that a cancelled batch left, by one look-up in
// rename_target_idx a row. It examines none when no older batch has superseded rows.
func StrandedBy(ctx context.Context, d *db.DB, batchID int64) ([]Stranded, error) {
	return pg.Collect[Stranded](ctx, d.Pool(), "counting rows that the batch had superseded", `
		SELECT o.batch_id AS batch, count(*) AS rows
		FROM (
			SELECT r.id, r.asset_id, r.locale_id, r.site_id, b.acceptance
			FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
			WHERE b.id = @batch AND b.status = 'cancelled' AND r.status = 'cancelled' AND r.fence = 0 AND EXISTS (
				SELECT FROM batch o WHERE o.site_id = b.site_id AND o.acceptance < b.acceptance AND o.superseded > 0)
			ORDER BY r.id LIMIT @look
		) c JOIN LATERAL (
			SELECT o.batch_id FROM rename o JOIN batch ob ON ob.id = o.batch_id
			WHERE o.asset_id = c.asset_id AND o.locale_id = c.locale_id AND o.site_id = c.site_id
				AND o.status = 'superseded' AND o.superseded_by = c.id AND o.fence = 0 AND ob.acceptance < c.acceptance
		) o ON true
		GROUP BY o.batch_id ORDER BY o.batch_id`, pgx.NamedArgs{"batch": batchID, "look": strandedLook})
}
