-- Adopts the API's limit (below the user's ceiling), and finds out whether somebody
-- else uses the token, for each of several lanes.
WITH
t AS MATERIALIZED (SELECT clock_timestamp() AS now),
o AS MATERIALIZED (
	SELECT *
	FROM ROWS FROM (unnest(@lanes::text[]), json_to_recordset(@observations) AS ("limit" int, remaining int, sent_ago float8, refused bool))
		AS o (lane, "limit", remaining, sent_ago, refused)
),
-- There are two signs of others. The API refused a call and has nothing left: alone we
-- never get there. Or it has counted more calls in its window than we made: each of
-- ours that it counts has a grant that still counted when this answer's call was sent.
-- (The second of grace covers the way to the database.)
seen AS MATERIALIZED (
	SELECT o.lane, max(o."limit" - o.remaining) AS used,
		(array_agg(o."limit" ORDER BY o.sent_ago))[1] AS "limit",
		bool_or(o.refused AND o.remaining = 0 OR o."limit" - o.remaining > ours.n) AS others
	FROM o
	CROSS JOIN LATERAL (
		SELECT count(*) AS n
		FROM t, lane_grant g
		WHERE g.lane = o.lane AND g.expires_at > t.now - (o.sent_ago + 1) * interval '1 second'
	) ours
	GROUP BY o.lane
),
-- The lanes that change, in the order in which grants lock them.
changing AS MATERIALIZED (
	SELECT l.fingerprint
	FROM t
	CROSS JOIN seen
	JOIN lane l ON l.fingerprint = seen.lane
	WHERE (seen.others OR l.shared_until > t.now OR l.call_limit <> least(l.ceiling, seen."limit"))
		AND l.call_limit IS NOT NULL
	ORDER BY l.fingerprint
	FOR NO KEY UPDATE OF l
)
-- Only with others is the API's count kept, for one window after the first answer that
-- held it. Alone, our log is exact, and a count that may straddle two windows would
-- waste a few calls. Within a window counts only grow, so the highest is the newest,
-- in whatever order answers come in.
UPDATE lane l
SET call_limit = least(l.ceiling, seen."limit"),
	shared_until = CASE WHEN seen.others THEN t.now + @shared::interval ELSE l.shared_until END,
	api_limit = seen."limit",
	api_used = CASE WHEN l.api_until > t.now THEN greatest(l.api_used, seen.used) ELSE seen.used END,
	api_until = CASE WHEN l.api_until > t.now THEN l.api_until ELSE t.now + l.call_window END,
	updated_at = t.now
FROM t, changing c, seen
WHERE l.fingerprint = c.fingerprint AND seen.lane = c.fingerprint
