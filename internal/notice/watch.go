package notice

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/failpoint"
)

// stalledAfter is how long a site with open rows may be without a process before a notice is
// made. A deploy or a restart of a machine takes less.
const stalledAfter = 5 * time.Minute

// watchSQL marks sites that have open rows and no process, and unmarks those that have a
// process again. It leaves out paused and parked sites: those wait for a person. It writes a
// site's row only when the mark changes, and skips a locked row until the next look.
//
// Served by batch_unfinished_idx.
const watchSQL = `
WITH open AS MATERIALIZED (
	SELECT DISTINCT site_id FROM batch WHERE status = 'active' AND finished_at IS NULL
),
now AS MATERIALIZED (
	SELECT s.id, s.paused_at IS NULL AND s.parked_at IS NULL AND o.site_id IS NOT NULL AND NOT is_worked(s.id) AS waits
	FROM site s LEFT JOIN open o ON o.site_id = s.id
	WHERE s.unworked_since IS NOT NULL OR o.site_id IS NOT NULL
),
changes AS MATERIALIZED (
	SELECT s.id, now.waits
	FROM site s JOIN now ON now.id = s.id
	WHERE now.waits <> (s.unworked_since IS NOT NULL)
		OR now.waits AND s.stalled_at IS NULL AND s.unworked_since < clock_timestamp() - @after::interval
	FOR NO KEY UPDATE OF s SKIP LOCKED
)
UPDATE site s SET
	unworked_since = CASE WHEN c.waits THEN coalesce(s.unworked_since, clock_timestamp()) END,
	stalled_at = CASE WHEN c.waits AND s.unworked_since IS NOT NULL THEN coalesce(s.stalled_at, clock_timestamp()) END
FROM changes c WHERE s.id = c.id`

// Watch finds the sites that have stalled, and those that work again, with one statement for
// all sites. A trigger on the changed row makes the notice, so several processes make one.
func Watch(ctx context.Context, d *db.DB) error {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	after := failpoint.Time("stalled", stalledAfter)
	if _, err := d.Pool().Exec(ctx, watchSQL, pgx.NamedArgs{"after": after}); err != nil {
		return fmt.Errorf("error looking for sites that no process works: %w", err)
	}
	return nil
}
