-- Ends those of some rows, locked before, that are still open and of a cancelled
-- batch: a retry may have been quicker. Calls in flight end by themselves.
WITH
open AS (
	SELECT r.id, r.status
	FROM rename r
	JOIN batch b ON b.id = r.batch_id
	WHERE r.id = ANY (@rename_ids) AND b.status = 'cancelled' AND r.status IN ('pending', 'sending')
		AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp())
),
-- A lease that ended without a finish leaves a call that may still land.
moved AS (
	UPDATE rename r
	SET status = 'cancelled',
		finished_at = clock_timestamp(),
		unknown_until = greatest(r.unknown_until, r.lease_until + @quarantine::interval),
		lease_until = NULL,
		not_before = NULL
	FROM open
	WHERE r.id = open.id
	RETURNING r.batch_id, open.status AS was, r.status
),
-- include: tally
SELECT count(*) FROM moved
