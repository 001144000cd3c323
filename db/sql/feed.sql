-- Finds the rows that need a River job, and waiting jobs that may have become
-- useless. It compares two bounded lists, so a first feed, a deleted job, a restored
-- database and a killed process are all the same case.
--
-- Served by batch_open_idx, rename_open_idx (a batch's ids rise with its lines) and
-- River's river_job_prioritized_fetching_index (state, queue, ...).
WITH
-- The rows that have a live job. Two kinds of job do not count:
--
-- One that is scheduled further ahead than a moment (a clock that is ahead stamped it,
-- or somebody did in River UI), and one that River's scheduler should have made
-- available long ago, as there may be no scheduler.
--
-- One that is listed as running in the feeding process, and is not at work there: the
-- reply to its fetch, or its completion, was lost. River would rescue it only 20
-- minutes later.
--
-- The list of states repeats what follows, for the index: a table of River's also holds
-- an hour's completed jobs.
live AS MATERIALIZED (
	SELECT (j.args->>'rename_id')::bigint AS rename_id,
		CASE j.state WHEN 'available' THEN j.id END AS waiting
	FROM river_job j
	WHERE j.state IN ('available', 'retryable', 'scheduled', 'running')
		AND j.queue = @queue AND j.kind = @kind AND (
		j.state = 'available' AND j.scheduled_at < clock_timestamp() + @soon::interval
		OR j.state IN ('retryable', 'scheduled')
			AND j.scheduled_at BETWEEN clock_timestamp() - @soon::interval AND clock_timestamp() + @soon::interval
		OR j.state = 'running' AND EXISTS (
			-- include: living_worker
				AND (p.id <> @process_id OR j.id = ANY (@running) OR j.attempted_at > clock_timestamp() - @soon::interval)
		)
	)
),
-- The first rows of the site that may be sent, by batch priority, acceptance and row:
-- a window full of them.
due AS MATERIALIZED (
	SELECT r.id, b.priority, b.acceptance
	FROM batch b
	CROSS JOIN LATERAL (
		-- include: accepted_line
	) a
	CROSS JOIN LATERAL (
		-- include: due_rows
		LIMIT @window
	) r
	WHERE b.site_id = @site_id AND b.status = 'active'
	ORDER BY b.priority, b.acceptance, r.id
	LIMIT @window
),
-- A share for each later priority, although an earlier batch fills the window: the
-- jobs that promote.sql may put first.
--
-- The priorities are a list because the planner takes generate_series for 1,000 rows. It
-- then expects a million rows here, too many for a hash, and compares all with all below.
behind AS MATERIALIZED (
	SELECT r.id, p.priority, r.acceptance
	FROM (VALUES (2), (3), (4)) AS p (priority)
	CROSS JOIN LATERAL (
		SELECT r.id, b.acceptance
		FROM batch b
		CROSS JOIN LATERAL (
			-- include: accepted_line
		) a
		CROSS JOIN LATERAL (
			-- include: due_rows
			LIMIT @share
		) r
		WHERE b.site_id = @site_id AND b.status = 'active' AND b.priority = p.priority
		ORDER BY b.acceptance, r.id
		LIMIT @share
	) r
	WHERE p.priority > (SELECT min(priority) FROM due)
)
-- One array for each priority: 12 bytes a row, so that the answer fits into a socket.
SELECT f.priority,
	array_agg(f.rename_id ORDER BY f.acceptance, f.rename_id) FILTER (WHERE f.rename_id IS NOT NULL) AS renames,
	(array_agg(f.job_id) FILTER (WHERE f.job_id IS NOT NULL))[1:@dead_at_once::int] AS jobs
FROM (
	-- NOT IN, because its plan is a hash whatever the planner expects of the lists'
	-- lengths. An anti-join may become two nested loops over 10,000 rows each.
	SELECT d.id AS rename_id, d.priority::int AS priority, NULL::bigint AS job_id, d.acceptance
	FROM (SELECT * FROM due UNION SELECT * FROM behind) d
	WHERE d.id NOT IN (SELECT l.rename_id FROM live l WHERE l.rename_id IS NOT NULL)
		-- An open breaker lets one call through: one job is enough for it.
		AND (NOT @probe::bool OR NOT EXISTS (SELECT FROM live))
	UNION ALL
	-- The waiting jobs whose row is not due: few or none, unless something has changed.
	SELECT NULL, NULL, l.waiting, NULL
	FROM live l
	WHERE l.waiting IS NOT NULL
		AND coalesce(l.rename_id NOT IN (SELECT id FROM due UNION ALL SELECT id FROM behind), true)
) f
GROUP BY f.priority
ORDER BY f.priority
