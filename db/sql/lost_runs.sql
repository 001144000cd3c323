-- Finds the runs of a site that are due, and that no living process works at and no
-- live job stands for, as feed.sql does for rows.
SELECT r.id AS run_id, s.name AS site
FROM schedule c
JOIN site s ON s.id = c.site_id
JOIN schedule_run r ON r.schedule_id = c.id AND r.finished_at IS NULL AND r.status = 'reading'
WHERE c.site_id = @site AND s.parked_at IS NULL AND s.paused_at IS NULL
	AND (r.not_before IS NULL OR r.not_before <= @now)
	AND (
		r.process_id IS NULL
		OR r.process_id = @process_id AND NOT r.id = ANY (@working)
		OR NOT EXISTS (
			SELECT FROM process p WHERE p.id = r.process_id AND p.heartbeat_at > clock_timestamp() - @stale::interval
		)
	)
	AND r.id NOT IN (
		SELECT (j.args->>'run_id')::bigint
		FROM river_job j
		WHERE j.queue = @queue AND j.kind = @kind AND j.args->>'run_id' IS NOT NULL
			AND (
				j.state = 'available' AND j.scheduled_at < clock_timestamp() + @soon::interval
				OR j.state = 'running' AND j.attempted_at > clock_timestamp() - @soon::interval AND EXISTS (
					-- include: living_worker
				)
			)
	)
ORDER BY r.id
