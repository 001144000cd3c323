package records

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// SiteProgress sums up the batches of some sites that are open, or have ended since a
// moment.
type SiteProgress struct {
	Total       int64
	Ended       int64
	Failed      int64
	Calls       int64
	RateLimited int64
	Held        int64 // rows left of batches that relabel itself has paused
	Now         time.Time
}

// workedSQL reads the open batches and those that have ended by an index each,
// batch_open_idx and batch_ended_idx, as a site keeps all its batches.
const workedSQL = `
SELECT coalesce(sum(total), 0)::bigint AS total, coalesce(sum(ended), 0)::bigint AS ended,
	coalesce(sum(failed), 0)::bigint AS failed, coalesce(sum(calls), 0)::bigint AS calls,
	coalesce(sum(rate_limited), 0)::bigint AS rate_limited,
	coalesce(sum(total - ended) FILTER (WHERE status = 'paused' AND status_reason IS NOT NULL), 0)::bigint AS held,
	clock_timestamp() AS now
FROM (
	SELECT total, ended, failed, calls, rate_limited, status, status_reason FROM batch
	WHERE site_id = ANY (@sites) AND status IN ('active', 'paused')
	UNION ALL
	SELECT total, ended, failed, calls, rate_limited, status, status_reason FROM batch
	WHERE site_id = ANY (@sites) AND finished_at >= @since AND acceptance IS NOT NULL AND status NOT IN ('active', 'paused')
) b`

// Progress reads the progress of some sites.
func Progress(ctx context.Context, d *db.DB, siteIDs []int, since time.Time) (SiteProgress, error) {
	list, err := pg.Collect[SiteProgress](ctx, d.Pool(), "reading the progress", workedSQL, pgx.NamedArgs{"sites": siteIDs, "since": since})
	if err != nil {
		return SiteProgress{}, err
	}
	if len(list) != 1 {
		return SiteProgress{}, fmt.Errorf("error reading the progress: %d rows", len(list))
	}
	return list[0], nil
}
