-- Accepts the rows of one chunk: the older open rows of their targets end, and rows of
-- the chunk get the status that touched.go decided on. All rows and batches that it
-- changes are locked before it.
WITH
-- The arrays come from here, so that PostgreSQL does not count their elements. While its
-- statistics know of no open rows, it would read the whole table for 2,000 of them and
-- compare all with all.
given AS MATERIALIZED (
	SELECT @own::bigint[] AS own, @statuses::text[] AS statuses,
		@older::bigint[] AS older, @newer::bigint[] AS newer, @older_batches::bigint[] AS older_batches
),
marked AS (
	UPDATE rename r
	SET status = o.status,
		finished_at = CASE o.status WHEN 'unchanged' THEN clock_timestamp() END
	FROM given CROSS JOIN LATERAL unnest(given.own, given.statuses) AS o (id, status)
	WHERE r.id = o.id AND r.status IN ('pending', 'unchanged') AND r.status <> o.status
	RETURNING r.batch_id, CASE r.status WHEN 'pending' THEN 'unchanged' ELSE 'pending' END AS was, r.status
),
-- The older open rows. Those of a batch that was cancelled, and not replaced by this
-- one, end as cancelled.
older AS (
	SELECT p.id, p.newer, ob.status = 'cancelled' AND ob.replaced_by IS DISTINCT FROM @batch AS cancelled
	FROM given CROSS JOIN LATERAL unnest(given.older, given.newer, given.older_batches) AS p (id, newer, batch_id)
	JOIN batch ob ON ob.id = p.batch_id
),
-- include: end_older
,
moved AS (
	SELECT batch_id, was, status FROM marked
	UNION ALL
	SELECT batch_id, was, status FROM ended
),
-- include: count_moves
