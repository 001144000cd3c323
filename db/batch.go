package db

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// BatchProgress is a batch with its counts, as every view shows it.
type BatchProgress struct {
	Batch        int64       `json:"batch"`
	Name         string      `json:"name"`
	Site         string      `json:"site"`
	Source       string      `json:"source"`
	Status       BatchStatus `json:"status"`
	StatusReason *string     `json:"status_reason"`
	Total        int64       `json:"total"`
	Pending      int64       `json:"pending"`
	Sending      int64       `json:"sending"`
	Succeeded    int64       `json:"succeeded"`
	Failed       int64       `json:"failed"`
	Superseded   int64       `json:"superseded"`
	Unchanged    int64       `json:"unchanged"`
	Conflict     int64       `json:"conflict"`
	Cancelled    int64       `json:"cancelled"`
	Invalid      int64       `json:"invalid"`
	Calls        int64       `json:"calls"`
	RateLimited  int64       `json:"rate_limited"`
	CreatedAt    time.Time   `json:"created_at"`
	StartedAt    *time.Time  `json:"started_at"`
	FinishedAt   *time.Time  `json:"finished_at"`
	PlannedAt    *time.Time  `json:"planned_at"` // when the site was read that its rows were compared with
	ColumnMap    *string     `json:"column_map"` // as --map took it
	Undoes       *int64      `json:"undoes"`     // the batch whose values before it puts back
	ParkedReason *string     `json:"parked_reason"`
	RefusedIn    *string     `json:"refused_in"` // processes whose token was refused
	SitePaused   bool        `json:"site_paused"`
	BreakerError *string     `json:"breaker_error"` // set while the breaker is open
	ETA          *time.Time  `db:"eta" json:"eta"`  // see the function ends_at
	Priority     int         `json:"-"`
	Ahead        int64       `json:"-"` // rows of the site that come first, this batch's own included
	Worked       bool        `json:"-"` // a process works at the site
	LaneKey      string      `json:"-"` // of the token that the site was last worked with; empty: never
	RetryAt      *time.Time  `json:"-"` // when all rows left wait to be tried again: the first of them is
	Now          time.Time   `json:"-"` // the database's clock, for what is left
}

// Left counts the rows that have no final status yet.
func (s BatchProgress) Left() int64 { return s.Pending + s.Sending }

// Bad counts the rows with a bad status (RowStatus.Bad).
func (s BatchProgress) Bad() int64 { return s.Failed + s.Conflict + s.Invalid }

// BadOrCancelled counts the rows whose values the site did not get although the
// source asked for them: for `relabel run`, a cancelled row is no success either.
func (s BatchProgress) BadOrCancelled() int64 { return s.Bad() + s.Cancelled }

// ErrNoBatch means that there is no such batch.
var ErrNoBatch = errors.New("no such batch")

func noBatch(id int64) error {
	return fmt.Errorf("%w: %d", ErrNoBatch, id)
}

// BatchStatus reads one batch; the error is ErrNoBatch when there is none.
func (db *DB) BatchStatus(ctx context.Context, id int64) (BatchProgress, error) {
	list, err := pg.Collect[BatchProgress](ctx, db.Pool(), "reading the batch",
		statement("batch_progress")+`WHERE b.id = @id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return BatchProgress{}, err
	}
	if len(list) == 0 {
		return BatchProgress{}, noBatch(id)
	}
	return list[0], nil
}

const (
	newestBatches = `ORDER BY b.id DESC LIMIT @limit`

	// siteBatches goes down batch_site_idx from the site's last id. Asked for by
	// site_id = ..., PostgreSQL may take the primary key, and read all sites' batches.
	siteBatches = `
		WHERE b.id = ANY (ARRAY(
			SELECT n.id FROM site x CROSS JOIN LATERAL (
				SELECT o.id, o.site_id FROM batch o WHERE (o.site_id, o.id) < (x.id + 1, 0)
				ORDER BY o.site_id DESC, o.id DESC LIMIT @limit
			) n
			WHERE x.name = @site AND n.site_id = x.id
		)) ORDER BY b.id DESC`
)

// Batches lists the newest batches first, of one site or with an empty name of
// all.
func (db *DB) Batches(ctx context.Context, site string, limit int) ([]BatchProgress, error) {
	which := newestBatches
	if site != "" {
		which = siteBatches
	}
	return pg.Collect[BatchProgress](ctx, db.Pool(), "listing batches", statement("batch_progress")+which,
		pgx.NamedArgs{"site": site, "limit": limit})
}

// BatchStateError reports that a batch can't get the status that was asked for:
// it has ended, or is a plan.
type BatchStateError struct {
	Batch  int64
	Status BatchStatus // as it is
	Wanted BatchStatus
}

func (e *BatchStateError) Error() string {
	change := map[BatchStatus]string{BatchPaused: "paused", BatchActive: "resumed", BatchCancelled: "cancelled"}[e.Wanted]
	return fmt.Sprintf("batch %d is %s and can't be %s", e.Batch, e.Status, change)
}

// PauseBatch lets no further call of a batch begin. Workers see it at their next
// claim. It reports whether the batch was active before; the error is a
// BatchStateError when it has ended.
func (db *DB) PauseBatch(ctx context.Context, id int64, reason *string) (changed bool, err error) {
	return db.moveBatch(ctx, id, BatchActive, BatchPaused, reason)
}

// ResumeBatch lets a paused batch go on, and reports whether it was paused.
func (db *DB) ResumeBatch(ctx context.Context, id int64) (changed bool, err error) {
	return db.moveBatch(ctx, id, BatchPaused, BatchActive, nil)
}

func (db *DB) moveBatch(ctx context.Context, id int64, from, to BatchStatus, reason *string) (bool, error) {
	tag, err := db.Pool().Exec(ctx, `
		WITH changed AS (
			UPDATE batch SET status = @to, status_reason = @reason WHERE id = @id AND status = @from
			RETURNING id, site_id
		)
		INSERT INTO event (kind, site_id, batch_id, detail)
		SELECT CASE @to WHEN 'active' THEN 'batch resumed' ELSE 'batch paused' END, site_id, id, @reason FROM changed`,
		pgx.NamedArgs{"id": id, "from": from, "to": to, "reason": reason})
	if err != nil {
		return false, fmt.Errorf("error setting batch %d to %s: %w", id, to, err)
	}
	if tag.RowsAffected() > 0 {
		return true, nil
	}
	b, err := db.BatchStatus(ctx, id)
	if err == nil && b.Status != to {
		err = &BatchStateError{id, b.Status, to}
	}
	return false, err
}

// SiteBacklog sums up the batches of a site that have not ended. Plans are not among
// them.
type SiteBacklog struct {
	Open         int64 // rows to send; those of paused batches are not among them
	Paused       int64 // rows that wait because their batch is paused
	Ending       int64 // rows of cancelled batches that have not ended yet
	Flying       int64 // of all these, those with a call in flight, or whose process died during it
	Ended        int64 // rows of the batches that are open or paused that have ended
	Calls        int64
	RateLimited  int64
	ParkedReason *string
	SitePaused   bool
	BreakerError *string // set while the breaker is open
	Now          time.Time
}

// workloadSQL is served by batch_unfinished_idx.
const workloadSQL = `
SELECT coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'active'), 0)::bigint AS open,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'paused'), 0)::bigint AS paused,
	coalesce(sum(b.sending), 0)::bigint AS flying,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'cancelled'), 0)::bigint AS ending,
	coalesce(sum(b.ended) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS ended,
	coalesce(sum(b.calls) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS calls,
	coalesce(sum(b.rate_limited) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS rate_limited,
	s.parked_reason, s.paused_at IS NOT NULL AS site_paused,
	CASE WHEN k.opened_at IS NOT NULL THEN coalesce(k.last_error, 'no answer') END AS breaker_error,
	clock_timestamp() AS now
FROM site s JOIN breaker k ON k.site_id = s.id
LEFT JOIN batch b ON b.site_id = s.id AND b.status IN ('active', 'paused', 'cancelled') AND b.finished_at IS NULL
WHERE s.id = @site GROUP BY s.id, k.site_id`

// SiteBacklog reads the backlog of a site: one row for each open batch.
func (db *DB) SiteBacklog(ctx context.Context, siteID int) (SiteBacklog, error) {
	list, err := pg.Collect[SiteBacklog](ctx, db.Pool(), "reading the workload", workloadSQL, pgx.NamedArgs{"site": siteID})
	if err != nil {
		return SiteBacklog{}, err
	}
	if len(list) == 0 {
		return SiteBacklog{}, fmt.Errorf("error reading the workload: %w: id %d", ErrNoSite, siteID)
	}
	return list[0], nil
}

// troubledSQL is served by batch_ended_idx.
const troubledSQL = `
SELECT coalesce(sum(failed + conflict + invalid), 0)::bigint FROM batch
WHERE site_id = @site AND finished_at >= @since AND acceptance IS NOT NULL`

// TroubledSince counts the bad rows (RowStatus.Bad) of batches that ended since then.
// Discarded plans are left out.
func (db *DB) TroubledSince(ctx context.Context, siteID int, since time.Time) (n int64, err error) {
	err = db.Pool().QueryRow(ctx, troubledSQL, pgx.NamedArgs{"site": siteID, "since": since}).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error counting failed rows: %w", err)
	}
	return n, nil
}
