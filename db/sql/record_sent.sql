-- Writes the values that were sent since a moment into the states of their targets.
WITH
sent AS MATERIALIZED (
	SELECT r.locale_id, r.asset_id, max(r.last_updated) AS last_updated,
		(array_agg(coalesce(r.applied_name, r.display_name) ORDER BY r.finished_at DESC)
			FILTER (WHERE r.display_name IS NOT NULL))[1] AS name,
		(array_agg(r.alt_text ORDER BY r.finished_at DESC) FILTER (WHERE r.alt_text IS NOT NULL))[1] AS alt
	FROM rename r
	WHERE r.finished_at >= @since AND r.site_id = @site
		-- A newer batch may supersede a row during its call. Its answer has a name if it succeeded.
		AND (r.status = 'succeeded' OR r.status = 'superseded' AND r.applied_name IS NOT NULL)
	GROUP BY r.locale_id, r.asset_id
),
-- Locked in the order in which SaveStates locks.
older AS (
	SELECT s.site_id, s.locale_id, s.asset_id, t.name, t.alt, t.last_updated
	FROM sent t
	JOIN asset_state s ON s.site_id = @site AND s.locale_id = t.locale_id AND s.asset_id = t.asset_id
	WHERE s.read_at >= @since
		AND (s.last_updated IS NULL OR t.last_updated IS NULL OR s.last_updated < t.last_updated)
	ORDER BY s.locale_id, s.asset_id
	FOR NO KEY UPDATE OF s
)
UPDATE asset_state s
SET display_name = coalesce(o.name, s.display_name),
	alt_text = coalesce(o.alt, s.alt_text),
	alt_null = s.alt_null AND o.alt IS NULL,
	last_updated = coalesce(o.last_updated, s.last_updated)
FROM older o
WHERE s.site_id = o.site_id AND s.locale_id = o.locale_id AND s.asset_id = o.asset_id
