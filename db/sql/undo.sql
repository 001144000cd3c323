-- Writes the rows of an undo: what the targets of a batch held before.
WITH
-- The rows whose call was made, with the values to put back: only those that the row
-- set. No alt text is an empty one.
sent AS (
	SELECT r.id, r.line, r.site_id, r.asset_id, r.locale_id, r.before_at, r.finished_at,
		CASE WHEN r.display_name IS NOT NULL THEN nullif(r.before_name, '') END AS display_name,
		CASE WHEN r.alt_text IS NOT NULL THEN coalesce(r.before_alt_text, '') END AS alt_text,
		coalesce(r.applied_name, r.display_name) AS sent_name,
		r.alt_text AS sent_alt_text
	FROM batch b
	JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
	WHERE b.id = @batch AND r.status = ANY (@statuses) AND r.fence > 0 AND r.finished_at IS NOT NULL
		AND (@since::timestamptz IS NULL OR r.finished_at >= @since)
		AND (@until::timestamptz IS NULL OR r.finished_at < @until)
),
-- An asset can't be given an empty name: such a row is refused. What we sent is the
-- new row's value before.
put AS (
	INSERT INTO rename (batch_id, site_id, line, asset_id, locale_id, display_name, alt_text,
		before_name, before_alt_text, before_at, status, finished_at, error)
	SELECT @undo, site_id, line, asset_id, locale_id, display_name, alt_text, sent_name, sent_alt_text, finished_at,
		CASE WHEN refused THEN 'invalid' ELSE 'pending' END,
		CASE WHEN refused THEN @now::timestamptz END,
		CASE WHEN refused THEN 'the asset had no name before, and Webflow takes no empty one' END
	FROM sent
	CROSS JOIN LATERAL (SELECT display_name IS NULL AND alt_text IS NULL AS refused) r
	WHERE before_at IS NOT NULL
	ORDER BY id
	RETURNING id, status
)
SELECT count(*),
	count(*) FILTER (WHERE status = 'invalid'),
	(SELECT count(*) FROM sent WHERE before_at IS NULL),
	coalesce(max(id), 0)
FROM put
