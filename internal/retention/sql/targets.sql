-- Reads all rows of the targets of a chunk: of each one look-up in rename_target_idx.
WITH
-- The rows of the batch that are looked at.
chunk AS MATERIALIZED (
	SELECT id, asset_id, locale_id, site_id
	FROM rename
	WHERE batch_id = @looked AND id > @after AND id <= @last
	ORDER BY id
	LIMIT @limit
),
-- Several rows of a batch may have one target.
target AS MATERIALIZED (
	SELECT DISTINCT asset_id, locale_id, site_id
	FROM chunk
)
SELECT o.id, o.batch_id AS batch, o.asset_id || '/' || o.locale_id AS target, b.acceptance,
	o.id IN (SELECT id FROM chunk) AS looked,
	-- Only if its batch is still to be examined: a row that was left there stays, and so does what
	-- its superseded_by names.
	coalesce(
		-- include: ended_row
		AND b.finished_at < @before::timestamptz AND @batch::bigint IN (0, b.id)
		AND (b.pruned_at IS NULL OR b.pruned_at < @examined), false) AS old,
	b.finished_at IS NULL AS open,
	o.status = 'unchanged' AS unchanged,
	o.fence > 0 AS sent,
	o.fence > 0 AND o.status IN ('succeeded', 'superseded') AS put,
	o.display_name IS NOT NULL AS named,
	o.alt_text IS NOT NULL AS alt_text,
	o.superseded_by
FROM target t
-- OFFSET 0 keeps it one look-up for each target.
CROSS JOIN LATERAL (
	SELECT *
	FROM rename o
	WHERE o.asset_id = t.asset_id AND o.locale_id = t.locale_id AND o.site_id = t.site_id
	OFFSET 0
) o
JOIN batch b ON b.id = o.batch_id
