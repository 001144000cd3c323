-- Gives what the logs of our own grants leave, for each of several lanes: never more than
-- the limit in any window.
--
-- Served by lane_grant_expiry_idx.
WITH
t AS MATERIALIZED (SELECT clock_timestamp() AS now),
asked AS MATERIALIZED (
	SELECT *
	FROM unnest(@lanes::text[], @wants::int[]) AS a (lane, want)
),
swept AS (
	DELETE FROM lane_grant g
	USING t, asked a
	WHERE g.lane = a.lane AND g.expires_at < t.now - @kept::interval
),
-- "used" are the calls that count now. A call in flight counts for longer than a window;
-- an answered one does not.
--
-- While somebody else uses the token (shared_until), the API's own count must leave
-- room too: what it has counted and our calls in flight, which it may not have counted
-- yet, together stay within its limit. When the API's window may be over (api_until),
-- its count says nothing until the next answer.
--
-- Nothing in flight can free itself within a window from now, so a longer wait is of
-- no use.
state AS MATERIALIZED (
	SELECT a.lane, a.want, l.call_limit, l.call_window, t.now, l.blocked_until,
		coalesce(l.blocked_until > t.now, false) AS blocked,
		least(
			l.call_limit - b.used,
			CASE WHEN l.shared_until > t.now AND l.api_until > t.now
				THEN l.api_limit - l.api_used - b.flying END) AS room,
		least(
			b.next,
			CASE WHEN l.shared_until > t.now AND l.api_until > t.now THEN l.api_until END,
			t.now + l.call_window) AS next
	FROM t
	CROSS JOIN asked a
	JOIN lane l ON l.fingerprint = a.lane
	CROSS JOIN LATERAL (
		SELECT count(*)::int AS used, min(g.expires_at) AS next,
			count(*) FILTER (WHERE g.expires_at > t.now + l.call_window)::int AS flying
		FROM lane_grant g
		WHERE g.lane = a.lane AND g.expires_at > t.now
	) b
),
given AS (
	INSERT INTO lane_grant (lane, process_id, granted_at, expires_at, call_window)
	SELECT s.lane, @process_id, s.now, s.now + @hold::interval + s.call_window, s.call_window
	FROM state s
	CROSS JOIN LATERAL generate_series(1, least(s.want, s.room))
	WHERE s.call_limit IS NOT NULL AND NOT s.blocked
	RETURNING lane, id
),
ids AS (
	SELECT lane, array_agg(id ORDER BY id) AS ids
	FROM given
	GROUP BY lane
)
SELECT s.lane, coalesce(ids.ids, '{}') AS ids, coalesce(s.call_limit, 0) AS "limit", s.blocked AS blocked,
	CASE
		WHEN s.blocked THEN s.blocked_until - s.now
		WHEN s.call_limit IS NULL OR cardinality(ids.ids) = s.want THEN interval '0'
		ELSE s.next - s.now END AS wait
FROM state s
LEFT JOIN ids ON ids.lane = s.lane
