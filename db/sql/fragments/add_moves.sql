-- The SET list that adds moves m to the counters of batch b.
--
-- A batch ends with its last row, once all its rows are accepted. It begins again
-- when a row is retried after its end. One that is still being cancelled stays
-- cancelled.
sending = b.sending + m.sending,
succeeded = b.succeeded + m.succeeded,
failed = b.failed + m.failed,
superseded = b.superseded + m.superseded,
unchanged = b.unchanged + m.unchanged,
conflict = b.conflict + m.conflict,
cancelled = b.cancelled + m.cancelled,
status = CASE
	WHEN b.ended + m.ended = b.total AND b.status IN ('active', 'paused') AND b.accepted_to IS NULL THEN 'done'
	WHEN m.ended < 0 AND b.status IN ('done', 'cancelled') AND b.finished_at IS NOT NULL THEN 'active'
	ELSE b.status END,
finished_at = CASE
	WHEN b.ended + m.ended = b.total AND b.status <> 'planned' AND b.accepted_to IS NULL
		THEN coalesce(b.finished_at, clock_timestamp()) END
