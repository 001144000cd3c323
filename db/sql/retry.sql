-- Makes chosen rows of one batch pending again, or superseded where their target has
-- a newer row that counts. All rows and batches that it changes are locked before it.
--
-- Served by the primary key for the rows and rename_target_idx for the rest.
WITH
-- A batch that was cancelled after the retry began is left alone.
chosen AS (
	SELECT r.id, r.batch_id, r.status, r.asset_id, r.locale_id, r.site_id, b.acceptance
	FROM batch b
	JOIN rename r ON r.batch_id = b.id
	WHERE b.id = @batch
		-- If the batch was cancelled, then to the end: until then its rows might be
		-- cancelled once more. The filter of a retry checks the same before.
		AND b.acceptance IS NOT NULL AND (b.status <> 'cancelled' OR b.finished_at IS NOT NULL)
		AND (b.cancelled_at IS NULL OR b.cancelled_at < @began)
		AND r.id = ANY (@ids) AND r.status = ANY (@statuses)
		AND r.status IN ('failed', 'conflict', 'cancelled', 'superseded')
),
-- The newest row of the target that counts: it was claimed, or is open, or stands for
-- a value that the target has, or comes later in the same batch.
judged AS (
	SELECT c.*, c.status AS was, newer.id AS newer
	FROM chosen c
	LEFT JOIN LATERAL (
		SELECT n.id
		FROM rename n
		JOIN batch nb ON nb.id = n.batch_id
		WHERE n.asset_id = c.asset_id AND n.locale_id = c.locale_id AND n.site_id = c.site_id AND n.id <> c.id
			AND (nb.acceptance, n.id) > (c.acceptance, c.id)
			AND (
				n.fence > 0
				OR n.status IN ('pending', 'sending', 'unchanged')
				OR n.batch_id = c.batch_id AND n.status <> 'invalid'
			)
		ORDER BY nb.acceptance DESC, n.id DESC
		LIMIT 1
	) newer ON true
),
-- Older open rows of the target: they were retried themselves while this one had ended
-- unsent. They end, as when a batch is loaded.
older AS (
	SELECT o.id, c.id AS newer,
		ob.status = 'cancelled' AND ob.replaced_by IS DISTINCT FROM c.batch_id AS cancelled
	FROM judged c
	JOIN rename o ON o.asset_id = c.asset_id AND o.locale_id = c.locale_id AND o.site_id = c.site_id
		AND o.status IN ('pending', 'sending')
	JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < c.acceptance
	WHERE c.newer IS NULL
),
-- include: end_older
,
-- The rows' failures are forgotten, so each has all its attempts again.
changed AS (
	UPDATE rename r
	SET status = CASE WHEN j.newer IS NULL THEN 'pending' ELSE 'superseded' END,
		superseded_by = j.newer,
		finished_at = CASE WHEN j.newer IS NOT NULL THEN clock_timestamp() END,
		failures = 0,
		not_before = NULL,
		cancelled_at = NULL,
		retried_at = clock_timestamp()
	FROM judged j
	WHERE r.id = j.id
	RETURNING r.id, r.batch_id, j.was, r.status
),
moved AS (
	SELECT batch_id, was, status FROM changed
	UNION ALL
	SELECT batch_id, was, status FROM ended
),
-- include: tally
SELECT count(*) FILTER (WHERE status = 'pending') AS pending,
	count(*) FILTER (WHERE status = 'superseded') AS superseded,
	(
		SELECT count(*)
		FROM batch b
		JOIN rename r ON r.batch_id = b.id
		WHERE b.id = @batch AND b.cancelled_at >= @began AND r.id = ANY (@ids)
	) AS left_out
FROM changed
