package records

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// keptSeen is how long an item stays marked. The dashboard shows failures for a week,
// so the mark of anything older has no use.
const keptSeen = "90 days"

// MarkSeen marks items as seen, for everybody.
func MarkSeen(ctx context.Context, d *db.DB, items []string, who string) error {
	_, err := d.Pool().Exec(ctx, `
		WITH old AS (DELETE FROM seen WHERE at < clock_timestamp() - @kept::interval AND item <> ALL (@items))
		INSERT INTO seen (item, who) SELECT DISTINCT item, @who FROM unnest(@items::text[]) item
		ON CONFLICT (item) DO NOTHING`, pgx.NamedArgs{"items": items, "who": who, "kept": keptSeen})
	if err != nil {
		return fmt.Errorf("error marking as seen: %w", err)
	}
	return nil
}

// SeenItems returns those of the items that were marked as seen.
func SeenItems(ctx context.Context, d *db.DB, items []string) (map[string]bool, error) {
	list, err := pg.Collect[struct{ Item string }](ctx, d.Pool(), "reading what was seen",
		`SELECT item FROM seen WHERE item = ANY (@items)`, pgx.NamedArgs{"items": items})
	seen := map[string]bool{}
	for _, one := range list {
		seen[one.Item] = true
	}
	return seen, err
}

// maxPutRight is how many bad rows of a batch PutRight looks at: within 20 ms.
const maxPutRight = 1000

// PutRight counts the bad rows of a batch whose target has got a value by a later batch.
// It looks at the first maxPutRight of them. Served by rename_trouble_idx and
// rename_target_idx.
func PutRight(ctx context.Context, d *db.DB, batchID int64) (n int64, err error) {
	err = d.Pool().QueryRow(ctx, `
		WITH bad AS MATERIALIZED (
			SELECT r.site_id, r.asset_id, r.locale_id, r.batch_id
			FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
			WHERE b.id = @batch AND r.error IS NOT NULL AND r.status IN ('failed', 'conflict', 'invalid')
			ORDER BY r.id LIMIT @look
		)
		SELECT count(*) FROM bad WHERE EXISTS (
			SELECT FROM rename n JOIN batch b ON b.id = n.batch_id
			WHERE n.asset_id = bad.asset_id AND n.locale_id = bad.locale_id AND n.site_id = bad.site_id
				AND n.batch_id > bad.batch_id AND n.status IN ('succeeded', 'unchanged') AND b.acceptance IS NOT NULL
		)`, pgx.NamedArgs{"batch": batchID, "look": maxPutRight}).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error looking for what was put right: %w", err)
	}
	return n, nil
}
