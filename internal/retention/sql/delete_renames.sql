-- Deletes rows, and takes them out of their batches' counters. Rows are locked by id, then
-- batches by id.
WITH
-- A row that a retry has opened since stays.
old AS (
	SELECT r.id
	FROM jsonb_to_recordset(@keys::jsonb) AS k (id bigint)
	JOIN rename r ON r.id = k.id
	CROSS JOIN LATERAL (SELECT r.finished_at, r.unknown_until) o
	WHERE
		-- include: ended_row
		AND EXISTS (SELECT FROM batch b WHERE b.id = r.batch_id AND b.finished_at < @before::timestamptz)
	ORDER BY r.id
	FOR UPDATE OF r
),
gone AS (
	DELETE FROM rename r
	USING old
	WHERE r.id = old.id
	RETURNING r.batch_id, r.status
),
-- By how much each counter of each batch falls.
n AS MATERIALIZED (
	SELECT batch_id, count(*) AS total,
		count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
		count(*) FILTER (WHERE status = 'failed') AS failed,
		count(*) FILTER (WHERE status = 'superseded') AS superseded,
		count(*) FILTER (WHERE status = 'unchanged') AS unchanged,
		count(*) FILTER (WHERE status = 'conflict') AS conflict,
		count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
		count(*) FILTER (WHERE status = 'invalid') AS invalid
	FROM gone
	GROUP BY batch_id
),
-- An UPDATE alone would lock them in no order.
locked AS MATERIALIZED (
	SELECT id
	FROM batch
	WHERE id IN (SELECT batch_id FROM n)
	ORDER BY id
	FOR NO KEY UPDATE
),
tally AS (
	UPDATE batch b
	SET total = b.total - n.total, succeeded = b.succeeded - n.succeeded, failed = b.failed - n.failed,
		superseded = b.superseded - n.superseded, unchanged = b.unchanged - n.unchanged, conflict = b.conflict - n.conflict,
		cancelled = b.cancelled - n.cancelled, invalid = b.invalid - n.invalid
	FROM n
	JOIN locked ON locked.id = n.batch_id
	WHERE b.id = n.batch_id
)
SELECT count(*) FROM gone
