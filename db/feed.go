package db

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// FeedParams say which site's rows get jobs, and how many may have one.
type FeedParams struct {
	SiteID int
	Queue  string
	Kind   string // of the River job; its args carry rename_id
	Window int    // the first so many due renames have a live job

	// Lane is the feeder's token. A site that is parked for another token is fed.
	// Empty: a process that only loads has none.
	Lane string

	// ProcessID is the feeding process, and Running are the jobs it works at. Both may
	// be empty.
	ProcessID string
	Running   []int64

	Stale time.Duration // a process whose heartbeat is older is dead; 0: ProcessStale
}

// FeedRow is a rename that is due and has no live job.
type FeedRow struct {
	RenameID int64
	Priority int
}

// jobSoon is how far ahead a job may be scheduled, and how long its fetch may take, to
// count as live: twice the 5 s in which River's scheduler runs. After that the row gets
// another job. A job too many finds its row taken, and ends.
const jobSoon = 10 * time.Second

// deadHintsSQL deletes waiting jobs whose row is not due: it has ended, its batch was
// paused or cancelled, or it waits for its next try. Otherwise workers would go through
// 10,000 of them one by one before the next batch. A job that a process is fetching is
// left alone.
//
// Served by the primary keys.
const deadHintsSQL = `
WITH dead AS (
	SELECT j.id FROM river_job j
	LEFT JOIN rename r ON r.id = (j.args->>'rename_id')::bigint LEFT JOIN batch b ON b.id = r.batch_id
	WHERE j.id = ANY (@jobs) AND j.state = 'available' AND NOT coalesce(
		r.finished_at IS NULL AND b.status = 'active'
		AND coalesce(r.not_before <= clock_timestamp(), true) AND coalesce(r.lease_until <= clock_timestamp(), true), false)
	ORDER BY j.id FOR UPDATE OF j SKIP LOCKED
)
DELETE FROM river_job WHERE id = ANY (ARRAY(SELECT id FROM dead))`

// deadAtOnce bounds the dead hints of one feed. The whole answer must fit into a socket's buffer (200 KB on
// Linux): a process that is stopped while it has not read all of it is not idle to PostgreSQL, and would keep the
// lock. A window of 10,000 renames with the shares of later priorities takes 156 KB at most, and these 24 KB.
const deadAtOnce = 2_000

// unreadTime is how long a feeder may leave unread what the server sends it, should a socket's buffer be smaller
// than that. Only for the feed: reading results page by page takes longer. It has no effect on a Unix socket.
const unreadTime = 15 * time.Second

// probeWindow is of how many due rows one is drawn as the probe of an open breaker. The first one would be the same
// row each time, because a failed probe uses up no attempt. If the API always fails for that row, the site would never
// go on, even though the API accepts all others.
const probeWindow = 1_000

// Feed returns the rows that need a job (feed.sql), and deletes
// waiting jobs that have become useless. Only one process feeds a site at a time; ok is
// false while another one does. The lock lasts until tx ends.
func Feed(ctx context.Context, tx pgx.Tx, p FeedParams) (rows []FeedRow, ok bool, err error) {
	var broken bool
	var setting string
	if err := tx.QueryRow(ctx, `
		SELECT coalesce(s.parked_at IS NULL OR s.parked_lane <> nullif($3, ''), false) AND s.paused_at IS NULL
				AND pg_try_advisory_xact_lock(hashtext('relabel feed'), s.id),
			b.opened_at IS NOT NULL, set_config('tcp_user_timeout', $2, true)
		FROM site s JOIN breaker b ON b.site_id = s.id WHERE s.id = $1`,
		p.SiteID, fmt.Sprint(unreadTime.Milliseconds()), p.Lane).Scan(&ok, &broken, &setting); err != nil {
		return nil, false, fmt.Errorf("error locking the feed: %w", err)
	}
	if broken {
		p.Window = min(p.Window, probeWindow)
	}
	if !ok {
		return nil, false, nil
	}
	found, err := pg.Collect[feedGroup](ctx, tx, "reading renames to feed", statement("feed"), pgx.NamedArgs{
		"site_id": p.SiteID, "queue": p.Queue, "kind": p.Kind, "window": p.Window, "stale": cmp.Or(p.Stale, ProcessStale),
		"process_id": p.ProcessID, "running": append([]int64{}, p.Running...), "soon": jobSoon, "share": p.Window / ShareOf, "dead_at_once": deadAtOnce, "probe": broken,
	})
	if err != nil {
		return nil, false, err
	}
	var waiting []int64
	for _, f := range found {
		waiting = append(waiting, f.Jobs...)
		for _, id := range f.Renames {
			rows = append(rows, FeedRow{id, *f.Priority})
		}
	}
	if err := dropDead(ctx, tx, waiting); err != nil {
		return nil, false, err
	}
	if broken && len(rows) > 1 {
		rows = []FeedRow{rows[rand.IntN(len(rows))]}
	}
	return rows, true, nil
}

// wakeUnworkedSQL is served by River's river_job_prioritized_fetching_index.
const wakeUnworkedSQL = `
SELECT pg_notify(@channel, @wake)
WHERE EXISTS (SELECT FROM river_job WHERE state = 'available' AND queue = @queue)
	AND NOT EXISTS (SELECT FROM river_job WHERE state = 'running' AND queue = @queue)`

// WakeUnworked makes the workers of a River queue fetch jobs when tx commits, if jobs wait
// and none runs: their notification was lost. In every process, River shows each
// notification to all queues. With a thousand sites that costs more than the calls, so a
// feed that finds nothing to do must not notify.
func WakeUnworked(ctx context.Context, tx pgx.Tx, queue string) error {
	if _, err := tx.Exec(ctx, wakeUnworkedSQL, pgx.NamedArgs{"channel": insertChannel, "wake": wakeOf(queue), "queue": queue}); err != nil {
		return fmt.Errorf("error notifying the workers of queue %s: %w", queue, err)
	}
	return nil
}

// insertChannel is River's channel of notifications about jobs.
const insertChannel = pg.Schema + ".river_insert"

// wakeOf is the notification that wakes the workers of a queue, spelled as in River's
// client.go: PostgreSQL sends equal ones of a transaction once.
func wakeOf(queue string) string { return fmt.Sprintf(`{"queue": %q}`, queue) }

// sitesToFeedSQL finds the sites for which a feed has something to do: rows to accept, to
// send or to end, or waiting jobs, which may be useless or whose notification was lost.
//
// With a window it leaves out sites that have a job for each open row, or for most of a
// window. That costs a count in an index, where a feed reads and compares rows and jobs.
//
// Served by batch_unfinished_idx and River's river_job_prioritized_fetching_index.
const sitesToFeedSQL = `
SELECT s.id FROM unnest(@sites::int[], @queues::text[]) AS s (id, queue)
CROSS JOIN LATERAL (
	SELECT coalesce(sum(b.total - b.ended), 0) AS open, bool_or(b.status <> 'active' OR b.accepted_to IS NOT NULL) AS other
	FROM batch b
	WHERE b.site_id = s.id AND b.status IN ('active', 'paused', 'cancelled') AND b.finished_at IS NULL
		AND (b.status <> 'paused' OR b.accepted_to IS NOT NULL)
) b
WHERE (b.other IS NOT NULL OR EXISTS (SELECT FROM river_job j WHERE j.state = 'available' AND j.queue = s.queue))
	AND (@window::int = 0 OR coalesce(b.other, true) OR NOT (
		SELECT CASE WHEN b.open <= @window THEN count(*) = b.open ELSE count(*) >= @window * 3 / 4 END
		FROM (SELECT FROM river_job j WHERE j.state IN ('available', 'running') AND j.queue = s.queue LIMIT @window + 1) j))`

// SitesToFeed returns those of the sites that a feed should look at. queues are the sites'
// River queues, by site. With a window above 0 it trusts the number of a site's jobs, which
// may belong to other rows or to a dead process: look without a window now and then.
func (db *DB) SitesToFeed(ctx context.Context, queues map[int]string, window int) ([]int, error) {
	ids, names := pg.Columns(queues)
	rows, err := db.Pool().Query(ctx, sitesToFeedSQL, pgx.NamedArgs{"sites": ids, "queues": names, "window": window})
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int])
	}
	if err != nil {
		return nil, fmt.Errorf("error looking for sites to feed: %w", err)
	}
	return ids, nil
}

// queuesWithJobsSQL finds queues with jobs that wait or run. Served by River's
// river_job_prioritized_fetching_index.
const queuesWithJobsSQL = `
SELECT q.queue FROM unnest(@queues::text[]) AS q (queue)
CROSS JOIN LATERAL (SELECT FROM river_job j WHERE j.state IN ('available', 'running') AND j.queue = q.queue LIMIT 1) j`

// QueuesWithJobs returns those of some River queues that have jobs to work.
func (db *DB) QueuesWithJobs(ctx context.Context, queues []string) ([]string, error) {
	rows, err := db.Pool().Query(ctx, queuesWithJobsSQL, pgx.NamedArgs{"queues": queues})
	if err == nil {
		queues, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return nil, fmt.Errorf("error looking for queues with jobs: %w", err)
	}
	return queues, nil
}

// feedGroup is the renames of one priority that need a job, or, without a priority, the
// waiting jobs that may be dead.
type feedGroup struct {
	Priority *int
	Renames  []int64
	Jobs     []int64
}

func dropDead(ctx context.Context, tx pgx.Tx, jobs []int64) error {
	if len(jobs) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, deadHintsSQL, pgx.NamedArgs{"jobs": jobs}); err != nil {
		return fmt.Errorf("error deleting jobs whose renames are not due: %w", err)
	}
	return nil
}

// ShareOf says how many calls later priorities get: one in ShareOf, while an earlier
// priority has more than enough rows. A large batch loses a tenth of its rate, and no other
// batch starves.
const ShareOf = 10

// Promote puts up to n waiting jobs of later priorities first (promote.sql), and returns
// how many there were.
func Promote(ctx context.Context, tx pgx.Tx, p FeedParams, n int) (int, error) {
	tag, err := tx.Exec(ctx, statement("promote"), pgx.NamedArgs{"queue": p.Queue, "kind": p.Kind, "limit": n})
	if err != nil {
		return 0, fmt.Errorf("error giving later priorities their share: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// MakeDue makes jobs that were just inserted due by the database's clock, and makes the
// workers of their queue fetch them when tx commits. River stamps scheduled_at with this
// machine's clock; if that is 10 minutes ahead, nobody would fetch the jobs for 10 minutes.
// When the clocks agree, no row is written. River notifies too, but leaves out a
// notification that follows another one within moments.
func MakeDue(ctx context.Context, tx pgx.Tx, queue string, jobIDs []int64) error {
	_, err := tx.Exec(ctx, `
		WITH due AS (
			UPDATE river_job SET scheduled_at = clock_timestamp()
			WHERE id = ANY (@jobs) AND scheduled_at > clock_timestamp()
		)
		SELECT pg_notify(@channel, @wake)`,
		pgx.NamedArgs{"jobs": jobIDs, "channel": insertChannel, "wake": wakeOf(queue)})
	if err != nil {
		return fmt.Errorf("error making %d jobs due: %w", len(jobIDs), err)
	}
	return nil
}
