package retention

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ViaWorker is what the audit log says of deletions that a site's setting keep brought
// about.
const ViaWorker = "worker"

// record adds what went to the audit log. A site has one entry a day, though it is pruned
// every hour: else what people did would be hard to find there.
func record(ctx context.Context, cfg KeeperConfig, s keptSite, counts []Count) error {
	if Total(counts) == 0 {
		return nil
	}
	older := "older than " + s.Keep + ": "
	args := pgx.NamedArgs{"who": cfg.Who, "via": ViaWorker, "subject": "site " + s.Name, "older": older}
	return cfg.DB.InTx(ctx, func(tx pgx.Tx) error {
		var id int64
		var detail string
		err := tx.QueryRow(ctx, `
			SELECT id, detail FROM audit
			WHERE subject = @subject AND via = @via AND action = 'prune' AND starts_with(detail, @older)
				AND at > clock_timestamp() - interval '1 day'
			ORDER BY id DESC LIMIT 1 FOR UPDATE`, args).Scan(&id, &detail)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("error reading the audit log: %w", err)
		}
		counts := Add(parseText(strings.TrimPrefix(detail, older)), counts)
		args["id"], args["rows"], args["detail"] = id, Total(counts), older+Text(counts)
		sql := `UPDATE audit SET rows = @rows, detail = @detail WHERE id = @id`
		if id == 0 {
			sql = `INSERT INTO audit (who, via, action, subject, detail, rows, result) VALUES (@who, @via, 'prune', @subject, @detail, @rows, 'done')`
		}
		if _, err := tx.Exec(ctx, sql, args); err != nil {
			return fmt.Errorf("error writing the audit log: %w", err)
		}
		return nil
	})
}
