package scheduledb

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// Notice is a message about a schedule, to be posted to its URL.
type Notice struct {
	ID        int64
	Schedule  string
	Site      string
	Event     string // failed, trouble, recovered, held, parked, missed
	Detail    string
	RunID     int64
	URL       string
	Tries     int // this one included
	CreatedAt time.Time
}

// NoticeParams name the sites whose notices to take. Delays are the times between two
// tries, by the number of tries made; after the last the notice is given up.
type NoticeParams struct {
	SiteIDs []int
	Now     time.Time
	Delays  []time.Duration
}

// TakeNotices takes the notices that are due, for one try each. If this process dies
// before it records the outcome, the next try comes as after a failure.
func TakeNotices(ctx context.Context, d *db.DB, p NoticeParams) ([]Notice, error) {
	return pg.Collect[Notice](ctx, d.Pool(), "reading notices", `
		WITH due AS (
			SELECT n.id FROM schedule_notice n JOIN schedule c ON c.id = n.schedule_id
			WHERE n.next_try_at <= @now AND c.site_id = ANY (@sites)
			ORDER BY n.next_try_at LIMIT 10 FOR UPDATE OF n SKIP LOCKED
		)
		UPDATE schedule_notice n SET tries = n.tries + 1, next_try_at = @now + (@delays::interval[])[n.tries + 1]
		FROM due, schedule c, site s
		WHERE n.id = due.id AND c.id = n.schedule_id AND s.id = c.site_id
		RETURNING n.id, c.name AS schedule, s.name AS site, n.event, n.detail, n.run_id, coalesce(c.notify_url, '') AS url,
			n.tries, n.created_at`,
		pgx.NamedArgs{"sites": p.SiteIDs, "now": p.Now, "delays": p.Delays})
}

// NoticeSent records that the notice was accepted.
func NoticeSent(ctx context.Context, d *db.DB, id int64) error {
	_, err := d.Pool().Exec(ctx, `
		UPDATE schedule_notice SET sent_at = clock_timestamp(), next_try_at = NULL, error = NULL WHERE id = $1`, id)
	if err != nil {
		return fmt.Errorf("error recording that a notice is sent: %w", err)
	}
	return nil
}

// NoticeFailed records why a notice was not accepted. With forGood it is not tried again.
func NoticeFailed(ctx context.Context, d *db.DB, id int64, reason string, forGood bool) error {
	_, err := d.Pool().Exec(ctx, `
		UPDATE schedule_notice SET error = @reason, next_try_at = CASE WHEN NOT @for_good THEN next_try_at END
		WHERE id = @id AND sent_at IS NULL`, pgx.NamedArgs{"id": id, "reason": reason, "for_good": forGood})
	if err != nil {
		return fmt.Errorf("error recording that a notice is not sent: %w", err)
	}
	return nil
}

// SentNotice is a notice as the history shows it.
type SentNotice struct {
	Event     string     `json:"event"`
	Run       int64      `json:"run"`
	Detail    string     `json:"detail"`
	CreatedAt time.Time  `json:"created_at"`
	Tries     int        `json:"tries"`
	SentAt    *time.Time `json:"sent_at"`
	NextTryAt *time.Time `json:"next_try_at"` // nil: it was sent, or given up
	Error     *string    `json:"error"`
}

// Notices lists a schedule's notices, the newest first.
func Notices(ctx context.Context, d *db.DB, scheduleID, limit int) ([]SentNotice, error) {
	return pg.Collect[SentNotice](ctx, d.Pool(), "reading notices", `
		SELECT event, run_id AS run, detail, created_at, tries, sent_at, next_try_at, error
		FROM schedule_notice WHERE schedule_id = @id ORDER BY id DESC LIMIT @limit`,
		pgx.NamedArgs{"id": scheduleID, "limit": limit})
}
