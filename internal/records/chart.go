package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// maxCharted bounds the calls that a chart reads: an hour at 800 a minute. A
// faster site's chart reaches less far back.
const maxCharted = 50_000

// Bar counts the calls of one step of a chart.
type Bar struct {
	At          time.Time `json:"at"` // its beginning
	Calls       int64     `json:"calls"`
	Succeeded   int64     `json:"succeeded"`
	RateLimited int64     `json:"rate_limited"`
	Failed      int64     `json:"failed"` // other answers, and calls without one
}

// Calls counts a batch's calls between two moments, in steps of the same length. A step
// without calls is left out.
//
// Served by attempt_sent_idx, and the primary key of rename for each call.
func Calls(ctx context.Context, d *db.DB, batch int64, from, to time.Time, step time.Duration) ([]Bar, error) {
	return pg.Collect[Bar](ctx, d.Pool(), "counting calls", `
		WITH recent AS MATERIALIZED (
			SELECT a.rename_id, a.sent_at, a.outcome FROM attempt a
			WHERE a.sent_at >= @from AND a.sent_at <= @to
			ORDER BY a.sent_at DESC LIMIT @max
		)
		SELECT date_bin(@step, a.sent_at, 'epoch') AS at, count(*) AS calls,
			count(*) FILTER (WHERE a.outcome = 'succeeded') AS succeeded,
			count(*) FILTER (WHERE a.outcome = 'rate_limited') AS rate_limited,
			count(*) FILTER (WHERE a.outcome NOT IN ('succeeded', 'rate_limited')) AS failed
		FROM batch b, recent a JOIN rename r ON r.id = a.rename_id
		WHERE b.id = @batch AND a.rename_id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
		GROUP BY 1 ORDER BY 1`,
		pgx.NamedArgs{"batch": batch, "from": from, "to": to, "step": step, "max": maxCharted})
}

// LaneUser is a process, and how many calls of a site's lane it uses now.
type LaneUser struct {
	Site  string
	Host  string // empty: the process is gone
	PID   int
	Calls int
}

// LaneUsers lists the processes of relabel that use the limits now.
func LaneUsers(ctx context.Context, d *db.DB) ([]LaneUser, error) {
	return pg.Collect[LaneUser](ctx, d.Pool(), "reading who uses the limits", `
		SELECT s.name AS site, coalesce(p.host, '') AS host, coalesce(p.pid, 0) AS pid, count(*)::int AS calls
		FROM site s JOIN lane_grant g ON g.lane = s.lane AND g.expires_at > (SELECT clock_timestamp())
		LEFT JOIN process p ON p.id = g.process_id
		GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3`, nil)
}

// LiveProcesses lists the processes whose heartbeat is fresh.
func LiveProcesses(ctx context.Context, d *db.DB) ([]db.Process, error) {
	return pg.Collect[db.Process](ctx, d.Pool(), "listing processes", `
		SELECT id, command, version, host, pid, sites, lanes FROM process
		WHERE heartbeat_at > clock_timestamp() - @stale::interval ORDER BY host, pid`,
		pgx.NamedArgs{"stale": db.ProcessStale})
}
