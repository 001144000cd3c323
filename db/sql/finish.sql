-- Records several outcomes: the attempts, the rows' new statuses, the batches'
-- counters and the breakers.
WITH
f AS MATERIALIZED (
	SELECT *
	FROM json_to_recordset(@finishes) AS f (
		rename_id bigint, fence int, status text, delay float8, failure bool, health text, unknown bool, called bool,
		sent_ago float8, duration float8, outcome text, http_status smallint, code text, message text,
		applied_name text, last_updated timestamptz)
),
locked AS (
	SELECT r.id, r.batch_id, r.site_id, r.superseded_by, r.cancelled_at, r.process_id, r.fence, r.status
	FROM rename r
	WHERE r.id = ANY (@rename_ids)
	ORDER BY r.id
	FOR NO KEY UPDATE
),
ill_sites AS (
	SELECT DISTINCT l.site_id
	FROM f
	JOIN locked l ON l.id = f.rename_id
	WHERE f.health = 'ill'
),
-- The breakers that change or matter here. A healthy site's breaker is not locked, as
-- all its finishes would wait for each other.
sick AS MATERIALIZED (
	SELECT b.*
	FROM breaker b
	WHERE b.site_id IN (SELECT site_id FROM locked)
		AND (b.failures > 0 OR b.site_id IN (SELECT site_id FROM ill_sites))
	ORDER BY b.site_id
	FOR NO KEY UPDATE
),
-- The fence keeps out a process whose lease ran out and was taken over: it changes
-- nothing. A fail-over that loses commits may give two processes the same fence. A row
-- that was superseded or cancelled during its call is not tried again.
-- While the breaker is open a transient failure is excused: it uses up no attempt.
decided AS (
	SELECT f.*, l.batch_id, coalesce(f.failure, false) AND NOT excused.yes AS counted, CASE
		WHEN l.superseded_by IS NOT NULL THEN 'superseded'
		WHEN (excused.yes OR f.status = 'pending') AND dropped.yes THEN 'cancelled'
		WHEN excused.yes THEN 'pending'
		ELSE f.status END AS new_status
	FROM f
	JOIN locked l ON l.id = f.rename_id
	JOIN batch b ON b.id = l.batch_id
	LEFT JOIN sick s ON s.site_id = l.site_id
	CROSS JOIN LATERAL (SELECT coalesce(f.health = 'ill' AND s.opened_at IS NOT NULL, false) AS yes) excused
	CROSS JOIN LATERAL (SELECT b.status = 'cancelled' OR l.cancelled_at IS NOT NULL AS yes) dropped
	WHERE l.fence = f.fence AND l.process_id = @process_id AND l.status = 'sending'
),
-- A failed row always has an error: rename_trouble_idx finds it by that.
done AS (
	UPDATE rename r
	SET status = d.new_status,
		lease_until = NULL,
		unknown_until = CASE WHEN d.unknown THEN clock_timestamp() + @quarantine::interval ELSE r.unknown_until END,
		finished_at = CASE WHEN d.new_status <> 'pending' THEN clock_timestamp() END,
		not_before = CASE WHEN d.new_status = 'pending' AND d.delay > 0
			THEN clock_timestamp() + d.delay * interval '1 second' END,
		calls = r.calls + coalesce(d.called, false)::int,
		failures = r.failures + d.counted::int,
		http_status = coalesce(d.http_status, r.http_status),
		applied_name = coalesce(d.applied_name, r.applied_name),
		last_updated = coalesce(d.last_updated, r.last_updated),
		error = coalesce(
			CASE WHEN d.called THEN nullif(concat_ws(': ', d.code, d.message), '') ELSE r.error END,
			CASE WHEN d.new_status IN ('failed', 'conflict') THEN d.outcome END)
	FROM decided d
	WHERE r.id = d.rename_id
	RETURNING r.id, r.batch_id, r.status
),
-- A call that was made is recorded also when its lease was lost, but not if a fail-over lost the row.
attempts AS (
	INSERT INTO attempt (rename_id, fence, process_id, sent_at, duration, outcome, http_status, code, message, delay)
	SELECT f.rename_id, f.fence, @process_id, clock_timestamp() - f.sent_ago * interval '1 second',
		f.duration * interval '1 second', f.outcome, f.http_status, f.code, f.message, nullif(f.delay, 0) * interval '1 second'
	FROM f
	JOIN locked l ON l.id = f.rename_id
	WHERE f.called
	ON CONFLICT DO NOTHING
	RETURNING rename_id, fence, http_status
),
-- What a call says of the API counts once. A turn is sent again if its answer was lost.
health AS (
	SELECT l.site_id, bool_or(f.health = 'well') AS well, count(*) FILTER (WHERE f.health = 'ill') AS ill,
		max(f.message) FILTER (WHERE f.health = 'ill') AS last_error
	FROM f
	JOIN locked l ON l.id = f.rename_id
	JOIN attempts a ON a.rename_id = f.rename_id AND a.fence = f.fence
	WHERE f.health IS NOT NULL
	GROUP BY l.site_id
),
breakers AS (
	UPDATE breaker b
	SET failures = CASE WHEN h.well THEN 0 ELSE s.failures + h.ill END,
		opened_at = CASE WHEN h.well THEN NULL WHEN opens.now THEN clock_timestamp() ELSE s.opened_at END,
		next_probe_at = CASE
			WHEN h.well THEN NULL
			WHEN opens.now THEN clock_timestamp() + @probe_every::interval
			ELSE s.next_probe_at END,
		last_error = CASE WHEN h.well THEN NULL ELSE coalesce(h.last_error, s.last_error) END
	FROM health h
	JOIN sick s USING (site_id)
	CROSS JOIN LATERAL (
		SELECT s.opened_at IS NULL AND @breaker_limit::int > 0 AND s.failures + h.ill >= @breaker_limit::int AS now
	) opens
	WHERE b.site_id = h.site_id
	RETURNING b.site_id, s.opened_at AS was, b.opened_at, coalesce(h.last_error, s.last_error) AS last_error
),
-- A breaker that opened or closed is an event.
turned AS (
	INSERT INTO event (kind, site_id, detail)
	SELECT CASE WHEN opened_at IS NULL THEN 'breaker closed' ELSE 'breaker opened' END,
		site_id,
		CASE WHEN opened_at IS NOT NULL THEN last_error END
	FROM breakers
	WHERE (was IS NULL) <> (opened_at IS NULL)
),
moved AS (
	SELECT d.batch_id, l.status AS was, d.status
	FROM done d
	JOIN locked l USING (id)
),
-- include: moves
,
called AS (
	SELECT l.batch_id, count(*) AS calls, count(*) FILTER (WHERE a.http_status = 429) AS rate_limited
	FROM attempts a
	JOIN locked l ON l.id = a.rename_id
	GROUP BY l.batch_id
),
-- A batch may have calls without moves (the lease was lost) and moves without calls.
m AS (
	SELECT batch_id, coalesce(calls, 0) AS calls, coalesce(rate_limited, 0) AS rate_limited,
		coalesce(sending, 0) AS sending, coalesce(succeeded, 0) AS succeeded, coalesce(failed, 0) AS failed,
		coalesce(superseded, 0) AS superseded, coalesce(unchanged, 0) AS unchanged,
		coalesce(conflict, 0) AS conflict, coalesce(cancelled, 0) AS cancelled, coalesce(ended, 0) AS ended
	FROM called
	FULL JOIN moves USING (batch_id)
),
tally AS (
	UPDATE batch b
	SET calls = b.calls + m.calls,
		rate_limited = b.rate_limited + m.rate_limited,
		-- include: add_moves
	FROM m
	WHERE b.id = m.batch_id
)
SELECT id, status FROM done
