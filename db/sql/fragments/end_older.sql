-- Ends open rows that a CTE "older" names: id, newer (the row that takes its place) and
-- cancelled (its batch is). A row whose call is in flight is only marked; its answer
-- ends it.
--
-- The condition asks for the status and not for finished_at: for that PostgreSQL
-- takes rename_open_idx while it has no statistics, and reads the open rows of all
-- batches for each chunk.
ended AS (
	UPDATE rename r
	SET superseded_by = o.newer,
		not_before = NULL,
		status = CASE
			WHEN r.status <> 'pending' THEN r.status
			WHEN o.cancelled THEN 'cancelled'
			ELSE 'superseded' END,
		finished_at = CASE r.status WHEN 'pending' THEN clock_timestamp() END
	FROM older o
	WHERE r.id = o.id AND r.status IN ('pending', 'sending')
	RETURNING r.batch_id, CASE r.status WHEN 'sending' THEN 'sending' ELSE 'pending' END AS was, r.status
)
