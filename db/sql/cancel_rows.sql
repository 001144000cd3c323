-- Ends open rows that a filter chose.
--
-- Served by rename's primary key.
WITH
chosen AS (
	SELECT r.id, r.status AS was, coalesce(r.lease_until >= clock_timestamp(), false) AS flying
	FROM rename r
	WHERE r.id = ANY (@ids) AND r.status = ANY (@statuses) AND r.status IN ('pending', 'sending')
	ORDER BY r.id
	FOR NO KEY UPDATE
),
-- A row whose call is in flight is only marked. It ends with its answer (finish.sql)
-- or, when its process is gone, with its next claim (claim.sql).
changed AS (
	UPDATE rename r
	SET cancelled_at = clock_timestamp(),
		status = CASE WHEN c.flying THEN r.status ELSE 'cancelled' END,
		finished_at = CASE WHEN NOT c.flying THEN clock_timestamp() END,
		unknown_until = CASE
			WHEN c.flying THEN r.unknown_until
			ELSE greatest(r.unknown_until, r.lease_until + @quarantine::interval) END,
		lease_until = CASE WHEN c.flying THEN r.lease_until END,
		not_before = NULL
	FROM chosen c
	WHERE r.id = c.id
	RETURNING r.batch_id, c.was, r.status
),
moved AS (
	SELECT batch_id, was, status FROM changed
),
-- include: tally
SELECT count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
	count(*) FILTER (WHERE status <> 'cancelled') AS sending
FROM changed
