-- Reads for each row what happened to its site, its batch and its lane while it was
-- open, what was in force when it came, and which calls of other rows of its target
-- had no clear outcome (claim.sql waits for those).
--
-- Served by event_site_idx, event_lane_idx and rename_target_idx. The limits are for a
-- site that has been stopped thousands of times.
WITH
target AS MATERIALIZED (
	SELECT DISTINCT asset_id, locale_id, site_id
	FROM rename
	WHERE id = ANY (@ids)
),
-- OFFSET 0 keeps PostgreSQL from reading the whole index for the condition.
unknown AS MATERIALIZED (
	SELECT o.id, o.asset_id, o.locale_id, o.site_id, o.unknown_until
	FROM target t
	CROSS JOIN LATERAL (
		SELECT *
		FROM rename
		WHERE asset_id = t.asset_id AND locale_id = t.locale_id AND site_id = t.site_id
		OFFSET 0
	) o
	WHERE o.unknown_until IS NOT NULL
)
SELECT r.id AS rename_id, e.at, e.kind, e.until, e.detail
FROM rename r
JOIN batch b ON b.id = r.batch_id
JOIN site s ON s.id = r.site_id
CROSS JOIN LATERAL (
	SELECT coalesce(b.started_at, b.created_at) AS since, coalesce(r.finished_at, clock_timestamp()) AS til
) t
CROSS JOIN LATERAL (
	-- Of the site and the batch, while the row was open.
	(
		SELECT e.id, e.at, e.kind, e.until, e.detail
		FROM event e
		WHERE e.site_id = r.site_id AND (e.batch_id IS NULL OR e.batch_id = r.batch_id)
			AND e.at BETWEEN t.since AND t.til
		ORDER BY e.at
		LIMIT 200
	)
	UNION ALL
	-- Of the site, before the row came.
	(
		SELECT e.id, e.at, e.kind, e.until, e.detail
		FROM event e
		WHERE e.site_id = r.site_id AND e.batch_id IS NULL AND e.at < t.since
		ORDER BY e.at DESC
		LIMIT 10
	)
	UNION ALL
	-- Of the lane. A stop may have begun an hour before.
	(
		SELECT e.id, e.at, e.kind, e.until, e.detail
		FROM event e
		WHERE e.lane = s.lane AND e.at BETWEEN t.since - interval '1 hour' AND t.til
		ORDER BY e.at
		LIMIT 200
	)
	UNION ALL
	-- Calls of unknown outcome.
	(
		SELECT 0, u.unknown_until - @quarantine::interval, 'call unknown', u.unknown_until, NULL
		FROM unknown u
		WHERE u.asset_id = r.asset_id AND u.locale_id = r.locale_id AND u.site_id = r.site_id AND u.id <> r.id
			AND u.unknown_until > t.since AND u.unknown_until - @quarantine::interval < t.til
	)
) e
WHERE r.id = ANY (@ids)
ORDER BY r.id, e.at, e.id
