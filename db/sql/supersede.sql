-- Accepts the rows of one chunk: the older open rows of their targets end, and rows
-- of the chunk that need no call become unchanged. Only rows that may need none are
-- judged: a new row to whose target nothing was ever sent stays pending. All rows and
-- batches that it changes are locked before it.
WITH
-- What each row of the chunk becomes. Our own record decides, unless a plan has read
-- the site since. A row that a plan found unchanged is sent after all when relabel
-- itself has sent something else to its target since.
own AS (
	SELECT m.id, m.status AS was, CASE
		WHEN b.forced THEN 'pending'
		WHEN m.status = 'unchanged' AND NOT
			-- include: sent_since
			THEN 'unchanged'
		WHEN (
			b.planned_at IS NULL OR b.read_by = 'record' OR last.finished_at > coalesce(m.before_at, b.planned_at)
		) AND
			-- include: has_last
			THEN 'unchanged'
		ELSE 'pending' END AS status
	FROM rename m
	JOIN batch b ON b.id = m.batch_id
	LEFT JOIN LATERAL (
		-- include: last_sent
	) last ON true
	WHERE m.id = ANY (@judged) AND m.status IN ('pending', 'unchanged')
),
marked AS (
	UPDATE rename r
	SET status = o.status,
		finished_at = CASE o.status WHEN 'unchanged' THEN clock_timestamp() END
	FROM own o
	WHERE r.id = o.id AND o.status <> o.was
	RETURNING r.batch_id, o.was, r.status
),
-- The older open rows. Those of a batch that was cancelled, and not replaced by this
-- one, end as cancelled.
older AS (
	SELECT p.id, p.newer, ob.status = 'cancelled' AND ob.replaced_by IS DISTINCT FROM @batch AS cancelled
	FROM unnest(@older::bigint[], @newer::bigint[], @older_batches::bigint[]) AS p (id, newer, batch_id)
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
