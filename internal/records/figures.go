package records

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/pg"
)

// SiteFigures is a site at one moment, for monitoring. Plans are not among its rows.
type SiteFigures struct {
	Site        string
	Pending     int64
	Sending     int64
	Succeeded   int64
	Failed      int64
	Superseded  int64
	Unchanged   int64
	Conflict    int64
	Cancelled   int64
	Invalid     int64
	Open        int64 // rows of active batches that have not ended
	Held        int64 // rows of paused batches that have not ended
	Batches     int64 // that are active or paused
	Workers     int64 // processes that work the site
	Parked      bool
	Paused      bool
	BreakerOpen bool
	EndsIn      *float64 // seconds until the last open row is sent; nil: no estimate

	HasLane bool // a process has worked the site
	LaneState
}

// siteFiguresSQL reads the counters of all accepted batches, one row each: 20,000 of them, a
// schedule's hourly runs of two years, took 15 to 40 ms. The batch that is sent last gives the end.
const siteFiguresSQL = `
SELECT s.name AS site,
	coalesce(b.pending, 0)::bigint AS pending, coalesce(b.sending, 0)::bigint AS sending,
	coalesce(b.succeeded, 0)::bigint AS succeeded, coalesce(b.failed, 0)::bigint AS failed,
	coalesce(b.superseded, 0)::bigint AS superseded, coalesce(b.unchanged, 0)::bigint AS unchanged,
	coalesce(b.conflict, 0)::bigint AS conflict, coalesce(b.cancelled, 0)::bigint AS cancelled,
	coalesce(b.invalid, 0)::bigint AS invalid,
	coalesce(b.active, 0)::bigint AS open, coalesce(b.held, 0)::bigint AS held, coalesce(b.batches, 0)::bigint AS batches,
	(SELECT count(*) FROM process p WHERE s.id = ANY (p.sites) AND p.heartbeat_at > clock_timestamp() - interval '30 s') AS workers,
	s.parked_at IS NOT NULL AS parked, s.paused_at IS NOT NULL AS paused, k.opened_at IS NOT NULL AS breaker_open,
	CASE WHEN coalesce(b.active, 0) = 0 THEN 0
		ELSE extract(epoch FROM ends_at(last.id) - clock_timestamp()) END::float8 AS ends_in,
	l.fingerprint IS NOT NULL AS has_lane,` + laneSQL + `
FROM site s JOIN breaker k ON k.site_id = s.id LEFT JOIN lane l ON l.fingerprint = s.lane ` + laneUse + `
LEFT JOIN (
	SELECT site_id, sum(total - ended - sending) AS pending, sum(sending) AS sending, sum(succeeded) AS succeeded,
		sum(failed) AS failed, sum(superseded) AS superseded, sum(unchanged) AS unchanged, sum(conflict) AS conflict, sum(cancelled) AS cancelled, sum(invalid) AS invalid,
		sum(total - ended) FILTER (WHERE status = 'active') AS active,
		sum(total - ended) FILTER (WHERE status = 'paused') AS held,
		count(*) FILTER (WHERE status IN ('active', 'paused')) AS batches
	FROM batch WHERE acceptance IS NOT NULL AND status NOT IN ('loading', 'planned') GROUP BY site_id
) b ON b.site_id = s.id
LEFT JOIN LATERAL (
	SELECT o.id FROM batch o WHERE o.site_id = s.id AND o.status = 'active' AND o.ended < o.total
	ORDER BY o.priority DESC, o.acceptance DESC LIMIT 1
) last ON true
ORDER BY s.name`

// AllSiteFigures reads all sites.
func AllSiteFigures(ctx context.Context, d *db.DB) ([]SiteFigures, error) {
	return pg.Collect[SiteFigures](ctx, d.Pool(), "reading the sites' figures", siteFiguresSQL, nil)
}

// ScheduleFigures is a schedule at one moment, for monitoring.
type ScheduleFigures struct {
	Schedule  string
	Site      string
	Paused    bool
	NextRunAt *time.Time
	SuccessAt *time.Time // when a run last ended as done
	Result    *string    // the status of the last run that has ended
}

// scheduleFiguresSQL goes back in each schedule's history by schedule_run_history_idx.
const scheduleFiguresSQL = `
SELECT c.name AS schedule, s.name AS site, c.paused_at IS NOT NULL AS paused, c.next_run_at,
	done.finished_at AS success_at, ended.status AS result
FROM schedule c JOIN site s ON s.id = c.site_id
LEFT JOIN LATERAL (
	SELECT r.finished_at FROM schedule_run r WHERE r.schedule_id = c.id AND r.status = 'done' ORDER BY r.id DESC LIMIT 1
) done ON true
LEFT JOIN LATERAL (
	SELECT r.status FROM schedule_run r WHERE r.schedule_id = c.id AND r.finished_at IS NOT NULL ORDER BY r.id DESC LIMIT 1
) ended ON true
ORDER BY c.name`

// AllScheduleFigures reads all schedules.
func AllScheduleFigures(ctx context.Context, d *db.DB) ([]ScheduleFigures, error) {
	return pg.Collect[ScheduleFigures](ctx, d.Pool(), "reading the schedules' figures", scheduleFiguresSQL, nil)
}

// QueueFigures counts the jobs of one of River's queues in one state.
type QueueFigures struct {
	Queue string
	State string
	Jobs  int64
}

// queueFiguresSQL leaves out jobs that have ended well: River keeps them for an hour, and on
// a fast site they are millions. river_job_prioritized_fetching_index serves the others.
const queueFiguresSQL = `
SELECT queue, state::text AS state, count(*) AS jobs FROM river_job
WHERE state IN ('available', 'running', 'retryable', 'scheduled', 'discarded') GROUP BY queue, state ORDER BY queue, state`

// AllQueueFigures reads River's queues.
func AllQueueFigures(ctx context.Context, d *db.DB) ([]QueueFigures, error) {
	return pg.Collect[QueueFigures](ctx, d.Pool(), "reading the queues' figures", queueFiguresSQL, nil)
}
