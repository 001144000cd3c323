package db

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// FeedParams says which site's renames to give jobs to, and how many at most
// may have one.
type FeedParams struct {
	SiteID int
	Queue  string
	Kind   string // of the River job; its args carry rename_id
	Window int    // the first so many due renames have a live job

	// ProcessID feeds, and Running are the jobs it works at; both may be empty.
	ProcessID string
	Running   []int64

	Stale time.Duration // a process whose heartbeat is older is dead; 0: ProcessStale
}

// FeedRow is a rename that is due and has no live job.
type FeedRow struct {
	RenameID int64
	Priority int
}

// jobSoon is how far ahead a waiting job may be scheduled, and how long its
// fetch may be on the way, to count as live: River's scheduler turns every 5 s.
// After twice that the rename is better served by another job; a job too many
// finds its rename taken, and ends.
const jobSoon = 10 * time.Second

// feedSQL compares two bounded lists: the first Window due renames of the site
// in order of batch priority, acceptance and row, and the renames that have a
// live job. A job is live while it waits, or runs in a process whose heartbeat
// is fresh. So initial queueing, a deleted job, a restored database and a
// killed process are one case. NOT IN, because its plan is a hash whatever the
// planner believes of the lists' lengths; an anti-join may become two nested
// loops over 10,000 rows each.
//
// A job that shall run later is not waited for: a clock that is ahead has
// stamped it, or somebody has in River UI; nor is one that River's scheduler
// should have made available long ago, as there may be none. And what runs in
// this process must be known here: a fetch whose answer was lost, and a
// completion that never arrived, leave jobs that say "running" until River
// rescues them 20 minutes later.
//
// Behind a batch that fills the window, later priorities keep a share of it each,
// so that there are jobs to promote (promoteSQL).
//
// Served by batch_open_idx, rename_open_idx (a batch's ids rise with its lines)
// and River's
// river_job_prioritized_fetching_index (state, queue, ...).
const feedSQL = `
WITH live AS MATERIALIZED (
	SELECT (j.args->>'rename_id')::bigint AS rename_id FROM river_job j
	WHERE j.queue = @queue AND j.kind = @kind AND (
		j.state = 'available' AND j.scheduled_at < clock_timestamp() + @soon::interval
		OR j.state IN ('retryable', 'scheduled')
			AND j.scheduled_at BETWEEN clock_timestamp() - @soon::interval AND clock_timestamp() + @soon::interval
		OR j.state = 'running' AND EXISTS (
			SELECT FROM process p
			WHERE p.id = j.attempted_by[array_upper(j.attempted_by, 1)]
				AND p.heartbeat_at > clock_timestamp() - @stale::interval
				AND (p.id <> @process_id OR j.id = ANY (@running) OR j.attempted_at > clock_timestamp() - @soon::interval)))
), due AS MATERIALIZED (
	SELECT r.id, b.priority, b.acceptance
	FROM batch b CROSS JOIN LATERAL (
		SELECT r.id FROM rename r
		WHERE r.batch_id = b.id AND r.finished_at IS NULL
			AND (r.not_before IS NULL OR r.not_before <= clock_timestamp())
			AND (r.lease_until IS NULL OR r.lease_until <= clock_timestamp())
		ORDER BY r.line LIMIT @window
	) r
	WHERE b.site_id = @site_id AND b.status = 'active'
	ORDER BY b.priority, b.acceptance, r.id LIMIT @window
), behind AS MATERIALIZED (
	SELECT r.id, p.priority, r.acceptance
	FROM generate_series((SELECT min(priority) + 1 FROM due), 4) AS p (priority) CROSS JOIN LATERAL (
		SELECT r.id, b.acceptance
		FROM batch b CROSS JOIN LATERAL (
			SELECT r.id FROM rename r
			WHERE r.batch_id = b.id AND r.finished_at IS NULL
				AND (r.not_before IS NULL OR r.not_before <= clock_timestamp())
				AND (r.lease_until IS NULL OR r.lease_until <= clock_timestamp())
			ORDER BY r.line LIMIT @share
		) r
		WHERE b.site_id = @site_id AND b.status = 'active' AND b.priority = p.priority
		ORDER BY b.acceptance, r.id LIMIT @share
	) r
)
SELECT d.id AS rename_id, d.priority::int AS priority
FROM (SELECT * FROM due UNION SELECT * FROM behind) d
WHERE d.id NOT IN (SELECT l.rename_id FROM live l WHERE l.rename_id IS NOT NULL)
ORDER BY d.priority, d.acceptance, d.id`

// feedHang is how long a transaction that feeds may do nothing, where it takes
// milliseconds: a process that stands still in its midst (stopped, or its machine
// asleep) would keep all others from feeding. PostgreSQL then ends its session.
const feedHang = "10s"

// Feed tells which renames need a job. Only one process feeds a site at a
// time; ok is false when another one is at it. The lock lasts until tx ends.
func Feed(ctx context.Context, tx pgx.Tx, p FeedParams) (rows []FeedRow, ok bool, err error) {
	var broken bool
	if err := tx.QueryRow(ctx, `
		SELECT s.parked_at IS NULL AND s.paused_at IS NULL AND pg_try_advisory_xact_lock(hashtext('relabel feed'), s.id),
			b.opened_at IS NOT NULL, set_config('idle_in_transaction_session_timeout', $2, true)
		FROM site s JOIN breaker b ON b.site_id = s.id WHERE s.id = $1`, p.SiteID, feedHang).Scan(&ok, &broken, nil); err != nil {
		return nil, false, fmt.Errorf("error locking the feed: %w", err)
	}
	if broken {
		p.Window = 1 // the probe
	}
	if !ok {
		return nil, false, nil
	}
	rows, err = collect[FeedRow](ctx, tx, "reading renames to feed", feedSQL, pgx.NamedArgs{
		"site_id": p.SiteID, "queue": p.Queue, "kind": p.Kind, "window": p.Window, "stale": cmp.Or(p.Stale, ProcessStale),
		"process_id": p.ProcessID, "running": append([]int64{}, p.Running...), "soon": jobSoon, "share": p.Window / ShareOf,
	})
	return rows, true, err
}

// ShareOf is of how many calls one goes to renames of later priorities, while an
// earlier one has more than enough to do: the large batch loses a tenth of its
// pace, and none starves.
const ShareOf = 10

// promoteSQL puts a few waiting jobs of later priorities before all others:
// River's fetch goes strictly by priority, time and id. Of several later
// priorities each has its turn by chance.
//
// Served by River's river_job_prioritized_fetching_index (state, queue, priority,
// scheduled_at, id) and its primary key; the last condition is one that the
// former can't serve, which would read the whole queue for it.
const promoteSQL = `
WITH waiting AS MATERIALIZED (
	SELECT p.priority, j.scheduled_at FROM generate_series(1, 4) AS p (priority) CROSS JOIN LATERAL (
		SELECT j.scheduled_at FROM river_job j
		WHERE j.state = 'available' AND j.queue = @queue AND j.priority = p.priority AND j.kind = @kind
		ORDER BY j.scheduled_at, j.id LIMIT 1
	) j
), chosen AS MATERIALIZED (
	SELECT j.id FROM waiting w CROSS JOIN LATERAL (
		SELECT j.id, row_number() OVER (ORDER BY j.scheduled_at, j.id) AS place FROM (
			SELECT j.id, j.scheduled_at FROM river_job j
			WHERE j.state = 'available' AND j.queue = @queue AND j.priority = w.priority AND j.kind = @kind
			ORDER BY j.scheduled_at, j.id LIMIT @limit
		) j
	) j
	WHERE w.priority > (SELECT min(priority) FROM waiting)
	ORDER BY j.place, random() LIMIT @limit
)
UPDATE river_job j SET priority = 1,
	scheduled_at = least(j.scheduled_at, (SELECT min(scheduled_at) FROM waiting WHERE priority = 1) - interval '1 millisecond')
WHERE j.id = ANY (ARRAY(SELECT id FROM chosen)) AND j.state <> 'running'`

// Promote lets that many waiting renames of later priorities go first, within
// tx; it tells how many there were.
func Promote(ctx context.Context, tx pgx.Tx, p FeedParams, n int) (int, error) {
	tag, err := tx.Exec(ctx, promoteSQL, pgx.NamedArgs{"queue": p.Queue, "kind": p.Kind, "limit": n})
	if err != nil {
		return 0, fmt.Errorf("error giving later priorities their share: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// MakeDue lets jobs that were just inserted run now by the database's clock:
// River's driver stamps scheduled_at with this machine's, and with a clock 10
// minutes ahead nobody would see them for as long. With clocks that agree no
// row is written.
func MakeDue(ctx context.Context, tx pgx.Tx, jobIDs []int64) error {
	_, err := tx.Exec(ctx, `
		UPDATE river_job SET scheduled_at = clock_timestamp()
		WHERE id = ANY ($1) AND scheduled_at > clock_timestamp()`, jobIDs)
	if err != nil {
		return fmt.Errorf("error making %d jobs due: %w", len(jobIDs), err)
	}
	return nil
}

// cancelOpenSQL reads the open rows of each batch by line, like feedSQL, and
// locks those that it has chosen by id, like all statements.
const cancelOpenSQL = `
WITH open AS (
	SELECT r.id, r.status FROM rename r
	WHERE r.id = ANY (ARRAY(
		SELECT o.id FROM batch b CROSS JOIN LATERAL (
			SELECT o.id FROM rename o
			WHERE o.batch_id = b.id AND o.finished_at IS NULL
				AND (o.lease_until IS NULL OR o.lease_until < clock_timestamp())
			ORDER BY o.line LIMIT @limit
		) o
		WHERE b.site_id = @site_id AND b.status = 'cancelled' AND b.finished_at IS NULL
		ORDER BY b.id, o.id LIMIT @limit
	)) AND r.finished_at IS NULL AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp())
	ORDER BY r.id FOR NO KEY UPDATE
), moved AS (
	UPDATE rename r SET status = 'cancelled', finished_at = clock_timestamp(),
		unknown_until = greatest(r.unknown_until, r.lease_until + @quarantine::interval),
		lease_until = NULL, not_before = NULL
	FROM open WHERE r.id = open.id
	RETURNING r.batch_id, open.status AS was, r.status
), ` + movesSQL + `, tally AS (
	UPDATE batch b SET ` + addMoves + ` FROM moves m WHERE b.id = m.batch_id
)
SELECT count(*) FROM moved`

// CancelOpen ends what is left open of cancelled batches, at most limit rows
// at a time, and tells how many. Calls in flight end by themselves.
func (db *DB) CancelOpen(ctx context.Context, siteID, limit int) (n int, err error) {
	err = db.pool.QueryRow(ctx, cancelOpenSQL,
		pgx.NamedArgs{"site_id": siteID, "limit": limit, "quarantine": MaxCallTime}).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("error cancelling renames: %w", err)
	}
	return n, nil
}
