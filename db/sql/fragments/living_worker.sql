-- The process that runs job j, if its heartbeat is fresh.
SELECT
FROM process p
WHERE p.id = j.attempted_by[array_upper(j.attempted_by, 1)]
	AND p.heartbeat_at > clock_timestamp() - @stale::interval
