-- Deletes unchanged rows of earlier runs that rows of this run's batch stand for, and
-- says how far it came.
WITH
-- The next rows of the batch, by the primary key. Those that count, as for a retry,
-- stand for older rows of their target; an open one does not, as it may yet be
-- cancelled unsent.
newer AS MATERIALIZED (
	SELECT r.id, r.asset_id, r.locale_id, r.site_id, r.fence > 0 OR r.status = 'unchanged' AS counts
	FROM rename r
	WHERE r.id > @after AND r.id <= @last AND r.batch_id = @batch
	ORDER BY r.id
	LIMIT @limit
),
-- One look-up in rename_target_idx a row. The subquery with OFFSET keeps PostgreSQL
-- from reading the whole index instead.
old AS (
	SELECT r.id
	FROM rename r
	WHERE r.id = ANY (ARRAY(
		SELECT o.id
		FROM newer n
		CROSS JOIN LATERAL (
			SELECT o.id
			FROM rename o
			WHERE o.asset_id = n.asset_id AND o.locale_id = n.locale_id AND o.site_id = n.site_id
				AND o.status = 'unchanged' AND o.batch_id = ANY (@older)
			OFFSET 0
		) o
		WHERE n.counts
	))
	ORDER BY r.id
	FOR UPDATE
),
gone AS (
	DELETE FROM rename r
	USING old
	WHERE r.id = old.id
	RETURNING r.batch_id
),
-- Batches are locked after the rows, by id, as everywhere.
locked AS MATERIALIZED (
	SELECT id
	FROM batch
	WHERE id IN (SELECT batch_id FROM gone)
	ORDER BY id
	FOR NO KEY UPDATE
),
n AS (
	SELECT locked.id, count(*) AS rows
	FROM gone
	JOIN locked ON locked.id = gone.batch_id
	GROUP BY 1
),
tally AS (
	UPDATE batch b
	SET total = b.total - n.rows,
		unchanged = b.unchanged - n.rows
	FROM n
	WHERE b.id = n.id
)
SELECT max(id) FROM newer
