-- The rows of batch b that may be sent now, up to line a.line. Served by
-- rename_open_idx.
SELECT r.id
FROM rename r
WHERE r.batch_id = b.id AND r.finished_at IS NULL AND r.line <= a.line
	AND (r.not_before IS NULL OR r.not_before <= clock_timestamp())
	AND (r.lease_until IS NULL OR r.lease_until <= clock_timestamp())
ORDER BY r.line
