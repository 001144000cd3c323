package records

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// SiteBacklog sums up the batches of a site that have not ended. Plans are not among
// them.
type SiteBacklog struct {
	Site         int
	Open         int64 // rows to send; those of paused batches are not among them
	Paused       int64 // rows that wait because their batch is paused
	Ending       int64 // rows of cancelled batches that have not ended yet
	Flying       int64 // of all these, those with a call in flight, or whose process died during it
	Ended        int64 // rows of the batches that are open or paused that have ended
	Runs         int64 // runs of schedules that need a worker, apart from sending rows
	Calls        int64
	RateLimited  int64
	ParkedAt     *time.Time
	ParkedReason *string
	SitePaused   bool
	BreakerError *string // set while the breaker is open
	Now          time.Time
}

// workloadSQL reads rows and runs of one moment: a run becomes rows, and one whose rows
// have ended is work again. It is served by batch_unfinished_idx and the index of the
// runs that have not finished.
const workloadSQL = `
SELECT s.id AS site,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'active'), 0)::bigint AS open,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'paused'), 0)::bigint AS paused,
	coalesce(sum(b.sending), 0)::bigint AS flying,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'cancelled'), 0)::bigint AS ending,
	coalesce(sum(b.ended) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS ended,
	coalesce(sum(b.calls) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS calls,
	coalesce(sum(b.rate_limited) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS rate_limited,
	(
		SELECT count(*) FROM schedule c JOIN schedule_run r ON r.schedule_id = c.id AND r.finished_at IS NULL
		LEFT JOIN batch rb ON rb.id = r.batch_id
		WHERE c.site_id = s.id AND (r.status = 'reading' OR r.status = 'sending' AND rb.finished_at IS NOT NULL
			OR r.status = 'waiting' AND NOT EXISTS (
				SELECT FROM schedule_run o JOIN batch ob ON ob.id = o.batch_id
				WHERE o.schedule_id = c.id AND o.finished_at IS NULL AND o.status = 'sending' AND ob.finished_at IS NULL))
	) AS runs,
	s.parked_at, s.parked_reason, s.paused_at IS NOT NULL AS site_paused,
	CASE WHEN k.opened_at IS NOT NULL THEN coalesce(k.last_error, 'no answer') END AS breaker_error,
	clock_timestamp() AS now
FROM site s JOIN breaker k ON k.site_id = s.id
LEFT JOIN batch b ON b.site_id = s.id AND b.status IN ('active', 'paused', 'cancelled') AND b.finished_at IS NULL
WHERE s.id = ANY (@sites) GROUP BY s.id, k.site_id ORDER BY s.id`

// Backlogs reads the backlogs of some sites: one row for each open batch.
func Backlogs(ctx context.Context, d *db.DB, siteIDs []int) ([]SiteBacklog, error) {
	return pg.Collect[SiteBacklog](ctx, d.Pool(), "reading the workload", workloadSQL, pgx.NamedArgs{"sites": siteIDs})
}

// Backlog reads the backlog of one site.
func Backlog(ctx context.Context, d *db.DB, siteID int) (SiteBacklog, error) {
	list, err := Backlogs(ctx, d, []int{siteID})
	if err != nil {
		return SiteBacklog{}, err
	}
	if len(list) == 0 {
		return SiteBacklog{}, fmt.Errorf("error reading the workload: %w: id %d", db.ErrNoSite, siteID)
	}
	return list[0], nil
}

// troubledSQL is served by batch_ended_idx.
const troubledSQL = `
SELECT coalesce(sum(failed + conflict + invalid), 0)::bigint FROM batch
WHERE site_id = @site AND finished_at >= @since AND acceptance IS NOT NULL`

// TroubledSince counts the bad rows (RowStatus.Bad) of batches that ended since then.
// Discarded plans are left out.
func TroubledSince(ctx context.Context, d *db.DB, siteID int, since time.Time) (n int64, err error) {
	err = d.Pool().QueryRow(ctx, troubledSQL, pgx.NamedArgs{"site": siteID, "since": since}).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error counting failed rows: %w", err)
	}
	return n, nil
}
