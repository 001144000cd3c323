-- The start of a query: batches b with their counts, sites s and breakers k. The
-- caller adds WHERE.
SELECT b.id AS batch, b.name, s.name AS site, b.source, b.status, b.status_reason, b.total,
	b.total - b.ended - b.sending AS pending, b.sending,
	b.succeeded, b.failed, b.superseded, b.unchanged, b.conflict, b.cancelled, b.invalid,
	b.calls, b.rate_limited, b.created_at, b.started_at, b.finished_at,
	b.planned_at, b.column_map, b.undoes, b.replaced_by, s.parked_at, s.parked_reason, refused_in(s.id) AS refused_in,
	s.paused_at IS NOT NULL AS site_paused,
	CASE WHEN k.opened_at IS NOT NULL THEN coalesce(k.last_error, 'no answer') END AS breaker_error,
	date_trunc('second', ends_at(b.id) + interval '0.5 s') AS eta,
	b.priority::int AS priority,
	a.ahead AS ahead,
	is_worked(b.site_id) AS worked,
	coalesce(s.lane, '') AS lane_key,
	-- When the few rows left all wait to be tried again: the first of these times.
	CASE WHEN b.ended < b.total AND b.sending = 0 AND b.total - b.ended <= 100 THEN (
		SELECT min(coalesce(r.not_before, b.created_at))
		FROM rename r
		WHERE r.batch_id = b.id AND r.finished_at IS NULL
		HAVING min(coalesce(r.not_before, b.created_at)) > clock_timestamp()
	) END AS retry_at,
	clock_timestamp() AS now
FROM batch b
JOIN site s ON s.id = b.site_id
JOIN breaker k ON k.site_id = s.id
-- The rows of the site that are sent before this batch has ended.
CROSS JOIN LATERAL (
	SELECT coalesce(sum(o.total - o.ended), 0)::bigint AS ahead
	FROM batch o
	WHERE o.site_id = b.site_id AND o.status = 'active' AND (o.priority, o.acceptance) <= (b.priority, b.acceptance)
) a
