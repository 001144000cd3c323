-- Reads rows and runs of one moment: a run becomes rows, and one whose rows have ended is
-- work again. It is served by batch_unfinished_idx and the index of the runs that have not
-- finished.
SELECT s.id AS site,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'active'), 0)::bigint AS open,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'paused'), 0)::bigint AS paused,
	coalesce(sum(b.sending), 0)::bigint AS flying,
	coalesce(sum(b.total - b.ended) FILTER (WHERE b.status = 'cancelled'), 0)::bigint AS ending,
	coalesce(sum(b.ended) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS ended,
	coalesce(sum(b.calls) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS calls,
	coalesce(sum(b.rate_limited) FILTER (WHERE b.status <> 'cancelled'), 0)::bigint AS rate_limited,
	-- Runs that wait for a worker: to read, to end, or to begin because no run before them sends.
	(
		SELECT count(*)
		FROM schedule c
		JOIN schedule_run r ON r.schedule_id = c.id AND r.finished_at IS NULL
		LEFT JOIN batch rb ON rb.id = r.batch_id
		WHERE c.site_id = s.id AND (r.status = 'reading' OR r.status = 'sending' AND rb.finished_at IS NOT NULL
			OR r.status = 'waiting' AND NOT EXISTS (
				SELECT
				FROM schedule_run o
				JOIN batch ob ON ob.id = o.batch_id
				WHERE o.schedule_id = c.id AND o.finished_at IS NULL AND o.status = 'sending' AND ob.finished_at IS NULL))
	) AS runs,
	s.parked_at, s.parked_reason, s.paused_at IS NOT NULL AS site_paused,
	CASE WHEN k.opened_at IS NOT NULL THEN coalesce(k.last_error, 'no answer') END AS breaker_error,
	clock_timestamp() AS now
FROM site s
JOIN breaker k ON k.site_id = s.id
LEFT JOIN batch b ON b.site_id = s.id AND b.status IN ('active', 'paused', 'cancelled') AND b.finished_at IS NULL
WHERE s.id = ANY (@sites)
GROUP BY s.id, k.site_id
ORDER BY s.id
