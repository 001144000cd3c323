-- A statement that changes row statuses names its changes in a CTE "moved"
-- (batch_id, was, status) and includes this after it.

-- By how much each counter of each batch changes.
sums AS MATERIALIZED (
	SELECT batch_id,
		count(*) FILTER (WHERE status = 'sending') - count(*) FILTER (WHERE was = 'sending') AS sending,
		count(*) FILTER (WHERE status = 'succeeded') - count(*) FILTER (WHERE was = 'succeeded') AS succeeded,
		count(*) FILTER (WHERE status = 'failed') - count(*) FILTER (WHERE was = 'failed') AS failed,
		count(*) FILTER (WHERE status = 'superseded') - count(*) FILTER (WHERE was = 'superseded') AS superseded,
		count(*) FILTER (WHERE status = 'unchanged') - count(*) FILTER (WHERE was = 'unchanged') AS unchanged,
		count(*) FILTER (WHERE status = 'conflict') - count(*) FILTER (WHERE was = 'conflict') AS conflict,
		count(*) FILTER (WHERE status = 'cancelled') - count(*) FILTER (WHERE was = 'cancelled') AS cancelled,
		count(*) FILTER (WHERE status NOT IN ('pending', 'sending'))
			- count(*) FILTER (WHERE was NOT IN ('pending', 'sending')) AS ended
	FROM moved
	GROUP BY batch_id
),
-- Batches are locked by id, after the rows: that order keeps statements from
-- waiting for each other in a circle.
locked_batches AS MATERIALIZED (
	SELECT id
	FROM batch
	WHERE id IN (SELECT batch_id FROM sums)
	ORDER BY id
	FOR NO KEY UPDATE
),
moves AS (
	SELECT sums.*
	FROM sums
	JOIN locked_batches ON locked_batches.id = sums.batch_id
)
