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

// Backlogs reads the backlogs of some sites, all of one moment: one row for each open batch.
func Backlogs(ctx context.Context, d *db.DB, siteIDs []int) ([]SiteBacklog, error) {
	return pg.Collect[SiteBacklog](ctx, d.Pool(), "reading the workload", statement("workload"), pgx.NamedArgs{"sites": siteIDs})
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
