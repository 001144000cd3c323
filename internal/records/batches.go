package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// BatchProgress is a batch with its counts, as every view shows it.
type BatchProgress struct {
	Batch        int64          `json:"batch"`
	Name         string         `json:"name"`
	Site         string         `json:"site"`
	Source       string         `json:"source"`
	Status       db.BatchStatus `json:"status"`
	StatusReason *string        `json:"status_reason"`
	Total        int64          `json:"total"`
	Pending      int64          `json:"pending"`
	Sending      int64          `json:"sending"`
	Succeeded    int64          `json:"succeeded"`
	Failed       int64          `json:"failed"`
	Superseded   int64          `json:"superseded"`
	Unchanged    int64          `json:"unchanged"`
	Conflict     int64          `json:"conflict"`
	Cancelled    int64          `json:"cancelled"`
	Invalid      int64          `json:"invalid"`
	Calls        int64          `json:"calls"`
	RateLimited  int64          `json:"rate_limited"`
	CreatedAt    time.Time      `json:"created_at"`
	StartedAt    *time.Time     `json:"started_at"`
	FinishedAt   *time.Time     `json:"finished_at"`
	PlannedAt    *time.Time     `json:"planned_at"`  // when the site was read that its rows were compared with
	ColumnMap    *string        `json:"column_map"`  // as --map took it
	ReplacedBy   *int64         `json:"replaced_by"` // the batch that took its place
	Undoes       *int64         `json:"undoes"`      // the batch whose values before it puts back
	ParkedAt     *time.Time     `json:"parked_at"`
	ParkedReason *string        `json:"parked_reason"`
	RefusedIn    *string        `json:"refused_in"` // processes whose token was refused
	SitePaused   bool           `json:"site_paused"`
	BreakerError *string        `json:"breaker_error"` // set while the breaker is open
	ETA          *time.Time     `db:"eta" json:"eta"`  // see the function ends_at
	Priority     int            `json:"-"`
	Ahead        int64          `json:"-"` // rows of the site that come first, this batch's own included
	Worked       bool           `json:"-"` // a process works at the site
	LaneKey      string         `json:"-"` // of the token that the site was last worked with; empty: never
	RetryAt      *time.Time     `json:"-"` // when all rows left wait to be tried again: the first of them is
	Now          time.Time      `json:"-"` // the database's clock, for what is left
}

// Left counts the rows that have no final status yet.
func (s BatchProgress) Left() int64 { return s.Pending + s.Sending }

// Bad counts the rows with a bad status (RowStatus.Bad).
func (s BatchProgress) Bad() int64 { return s.Failed + s.Conflict + s.Invalid }

// BadOrCancelled counts the rows whose values the site did not get although the
// source asked for them: for `relabel run`, a cancelled row is no success either.
func (s BatchProgress) BadOrCancelled() int64 { return s.Bad() + s.Cancelled }

// Batch reads one batch; the error is a db.NoBatchError when there is none.
func Batch(ctx context.Context, d *db.DB, id int64) (BatchProgress, error) {
	list, err := pg.Collect[BatchProgress](ctx, d.Pool(), "reading the batch",
		statement("batch_progress")+`WHERE b.id = @id`, pgx.NamedArgs{"id": id})
	if err != nil {
		return BatchProgress{}, err
	}
	if len(list) == 0 {
		return BatchProgress{}, db.NoBatchError(id)
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
func Batches(ctx context.Context, d *db.DB, site string, limit int) ([]BatchProgress, error) {
	which := newestBatches
	if site != "" {
		which = siteBatches
	}
	return pg.Collect[BatchProgress](ctx, d.Pool(), "listing batches", statement("batch_progress")+which,
		pgx.NamedArgs{"site": site, "limit": limit})
}

const openBatches = `
	WHERE b.status IN ('active', 'paused') AND (@sites::text[] = '{}' OR s.name = ANY (@sites))
	ORDER BY b.site_id, b.priority, b.acceptance LIMIT @limit`

// OpenBatches lists the active and paused batches of some sites, or of all when none is
// named, in the order in which their rows are sent. Served by batch_open_idx.
func OpenBatches(ctx context.Context, d *db.DB, limit int, sites ...string) ([]BatchProgress, error) {
	return pg.Collect[BatchProgress](ctx, d.Pool(), "listing open batches", statement("batch_progress")+openBatches,
		pgx.NamedArgs{"limit": limit, "sites": append([]string{}, sites...)})
}
