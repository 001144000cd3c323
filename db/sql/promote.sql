-- Puts a few waiting jobs of later priorities before all others. River fetches
-- strictly by priority, time and id.
--
-- Served by River's river_job_prioritized_fetching_index (state, queue, priority,
-- scheduled_at, id) and its primary key.
WITH
-- The first waiting job of each priority.
waiting AS MATERIALIZED (
	SELECT p.priority, j.scheduled_at
	FROM generate_series(1, 4) AS p (priority)
	CROSS JOIN LATERAL (
		SELECT j.scheduled_at
		FROM river_job j
		WHERE j.state = 'available' AND j.queue = @queue AND j.priority = p.priority AND j.kind = @kind
		ORDER BY j.scheduled_at, j.id
		LIMIT 1
	) j
),
-- The first jobs of the later priorities. Among several, chance decides.
chosen AS MATERIALIZED (
	SELECT j.id
	FROM waiting w
	CROSS JOIN LATERAL (
		SELECT j.id, row_number() OVER (ORDER BY j.scheduled_at, j.id) AS place
		FROM (
			SELECT j.id, j.scheduled_at
			FROM river_job j
			WHERE j.state = 'available' AND j.queue = @queue AND j.priority = w.priority AND j.kind = @kind
			ORDER BY j.scheduled_at, j.id
			LIMIT @limit
		) j
	) j
	WHERE w.priority > (SELECT min(priority) FROM waiting)
	ORDER BY j.place, random()
	LIMIT @limit
)
-- The last condition is written so that the fetching index can't serve it: PostgreSQL
-- would read the whole queue for it.
UPDATE river_job j
SET priority = 1,
	scheduled_at = least(j.scheduled_at, (SELECT min(scheduled_at) FROM waiting WHERE priority = 1) - interval '1 millisecond')
WHERE j.id = ANY (ARRAY(SELECT id FROM chosen)) AND j.state <> 'running'
