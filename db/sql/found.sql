-- The start of a statement: the rows of a batch that succeeded, and what their
-- targets hold now, by states that were read since then. A text that differs is the
-- server's doing where it answered our call with it, or where the asset was not
-- updated since; a later batch's where that sent it; else somebody else's.
WITH
found AS (
	SELECT r.id, r.line, r.asset_id, r.locale_id, r.display_name, r.alt_text,
		s.display_name AS found_name, s.alt_text AS found_alt_text, s.last_updated,
		CASE
			WHEN s.asset_id IS NULL THEN 'gone'
			WHEN NOT name_differs AND NOT alt_differs THEN 'asked'
			WHEN s.last_updated = r.last_updated
				OR (NOT name_differs OR s.display_name = r.applied_name) AND NOT alt_differs THEN 'normalised'
			WHEN (NOT name_differs OR later.name IS NOT NULL) AND (NOT alt_differs OR later.alt IS NOT NULL) THEN 'renamed'
			ELSE 'changed' END AS found,
		greatest(later.name, later.alt) AS by_batch
	FROM batch b
	JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
	LEFT JOIN asset_state s ON s.site_id = r.site_id AND s.locale_id = r.locale_id AND s.asset_id = r.asset_id
		AND s.read_at >= @since AND NOT s.gone
	CROSS JOIN LATERAL (
		SELECT coalesce(r.display_name <> s.display_name, false) AS name_differs,
			coalesce(r.alt_text <> s.alt_text, false) AS alt_differs
	) d
	CROSS JOIN LATERAL (SELECT r.finished_at AS since) t
	CROSS JOIN LATERAL (
		SELECT
			CASE WHEN name_differs THEN (
				-- include: name_sent_by
			) END AS name,
			CASE WHEN alt_differs THEN (
				-- include: alt_sent_by
			) END AS alt
	) later
	WHERE b.id = @batch AND r.status = 'succeeded'
)
