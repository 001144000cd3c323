package notice

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// notice is a row of the queue, taken for one try.
type notice struct {
	ID        int64
	Site      string
	Schedule  string // empty: it is about a site or a batch
	RunID     *int64
	BatchID   *int64
	BatchName string
	Event     string
	Detail    string
	URL       string `db:"url"` // empty: it was removed since
	Tries     int    // this one included
	CreatedAt time.Time
	Now       time.Time
}

// takeSQL takes the notices that are due and sets the time of their next try. So if the
// process dies before it records the result, the notice is tried again as after a failure.
// The url is empty if somebody has removed the address.
const takeSQL = `
WITH due AS (
	SELECT n.id FROM notice n LEFT JOIN schedule c ON c.id = n.schedule_id
	WHERE n.next_try_at <= clock_timestamp() AND (
		coalesce(n.site_id, c.site_id) = ANY (@sites) OR n.next_try_at <= clock_timestamp() - @others_after::interval)
	ORDER BY n.next_try_at LIMIT @most FOR UPDATE OF n SKIP LOCKED
)
UPDATE notice n SET tries = n.tries + 1, next_try_at = clock_timestamp() + (@delays::interval[])[n.tries + 1]
FROM due JOIN notice o ON o.id = due.id LEFT JOIN schedule c ON c.id = o.schedule_id
JOIN site s ON s.id = coalesce(o.site_id, c.site_id) LEFT JOIN batch b ON b.id = o.batch_id
WHERE n.id = due.id
RETURNING n.id, s.name AS site, coalesce(c.name, '') AS schedule, n.run_id, n.batch_id, coalesce(b.name, '') AS batch_name,
	n.event, n.detail, n.tries, n.created_at, clock_timestamp() AS now,
	coalesce(CASE WHEN n.schedule_id IS NOT NULL THEN c.notify_url
		WHEN n.url = ANY (s.notify_urls) OR EXISTS (
			SELECT FROM batch w WHERE w.site_id = n.site_id AND n.url = ANY (w.notify_urls) AND (n.batch_id IS NULL OR w.id = n.batch_id))
		THEN n.url END, '') AS url`

func take(ctx context.Context, cfg Config) ([]notice, error) {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	return pg.Collect[notice](ctx, cfg.DB.Pool(), "reading notices", takeSQL, pgx.NamedArgs{
		"sites": cfg.sites(), "others_after": othersAfter, "most": atOnce, "delays": delays(),
	})
}

// sent records that a notice was accepted.
func sent(ctx context.Context, d *db.DB, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	_, err := d.Pool().Exec(ctx, `
		UPDATE notice SET sent_at = clock_timestamp(), next_try_at = NULL, error = NULL WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("error recording that a notice is sent: %w", err)
	}
	return nil
}

// notSent records why a notice was not accepted. With forGood it is not tried again.
func notSent(ctx context.Context, d *db.DB, id int64, reason string, forGood bool) error {
	ctx, cancel := context.WithTimeout(ctx, dbTimeout)
	defer cancel()
	_, err := d.Pool().Exec(ctx, `
		UPDATE notice SET error = @reason, next_try_at = CASE WHEN NOT @for_good THEN next_try_at END
		WHERE id = @id AND sent_at IS NULL`, pgx.NamedArgs{"id": id, "reason": reason, "for_good": forGood})
	if err != nil {
		return fmt.Errorf("error recording that a notice is not sent: %w", err)
	}
	return nil
}

// Sent is a notice of a schedule as its history shows it.
type Sent struct {
	Event     string     `json:"event"`
	Run       int64      `json:"run"`
	Detail    string     `json:"detail"`
	CreatedAt time.Time  `json:"created_at"`
	Tries     int        `json:"tries"`
	SentAt    *time.Time `json:"sent_at"`
	NextTryAt *time.Time `json:"next_try_at"` // nil: it was sent, or given up
	Error     *string    `json:"error"`
}

// OfSchedule lists a schedule's notices, the newest first.
func OfSchedule(ctx context.Context, d *db.DB, scheduleID, limit int) ([]Sent, error) {
	return pg.Collect[Sent](ctx, d.Pool(), "reading notices", `
		SELECT event, run_id AS run, detail, created_at, tries, sent_at, next_try_at, error
		FROM notice WHERE schedule_id = @id ORDER BY id DESC LIMIT @limit`,
		pgx.NamedArgs{"id": scheduleID, "limit": limit})
}

// Made is a notice about a site or one of its batches.
type Made struct {
	Notice    int64      `json:"notice"`
	Event     string     `json:"event"`
	Batch     *int64     `json:"batch"` // nil: it is about the site
	To        string     `db:"url" json:"to"`
	Detail    string     `json:"detail"`
	CreatedAt time.Time  `json:"created_at"`
	Tries     int        `json:"tries"`
	SentAt    *time.Time `json:"sent_at"`
	NextTryAt *time.Time `json:"next_try_at"` // nil: it was sent, or given up
	Error     *string    `json:"error"`
	Now       time.Time  `json:"-"`
}

// OfSite lists the notices about a site and its batches, the newest first. Their addresses
// are without secrets. It reads backwards through the notices of all sites. Only people call
// it, so an index of its own is not worth its cost.
func OfSite(ctx context.Context, d *db.DB, siteID, limit int) ([]Made, error) {
	list, err := pg.Collect[Made](ctx, d.Pool(), "reading notices", `
		SELECT id AS notice, event, batch_id AS batch, url, detail, created_at, tries, sent_at, next_try_at, error, clock_timestamp() AS now
		FROM notice WHERE site_id = @site ORDER BY id DESC LIMIT @limit`,
		pgx.NamedArgs{"site": siteID, "limit": limit})
	for i := range list {
		list[i].To = Shown(list[i].To)
	}
	return list, err
}
