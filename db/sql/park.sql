-- Records that the API refused a token, and parks the site where no other token is
-- left to go on with.
WITH
s AS MATERIALIZED (
	SELECT id, parked_at, parked_lane
	FROM site
	WHERE id = @site
	FOR NO KEY UPDATE
),
-- The reason: the first one stays. An empty reason is for a token whose refusal is
-- known; perhaps the other processes are gone by now. A call that was sent before the
-- site was unparked is no news: the token may have been mended since.
why AS MATERIALIZED (
	SELECT coalesce(
		(SELECT f.reason FROM site_refusal f WHERE f.site_id = @site AND f.lane = @lane),
		nullif(@reason::text, '')) AS reason
	WHERE NOT EXISTS (
		SELECT
		FROM event e
		WHERE e.site_id = @site AND e.kind = 'site unparked' AND e.at > clock_timestamp() - @ago::interval
	)
),
-- Whether a living process works the site with another token that was not refused.
others AS MATERIALIZED (
	SELECT EXISTS (
		SELECT
		FROM process p
		CROSS JOIN LATERAL unnest(p.sites, p.lanes) AS w (site_id, lane)
		WHERE p.heartbeat_at > clock_timestamp() - @stale::interval AND w.site_id = @site AND w.lane <> @lane
			AND NOT EXISTS (SELECT FROM site_refusal f WHERE f.site_id = @site AND f.lane = w.lane)
	) AS work
),
parked AS (
	UPDATE site
	SET parked_at = clock_timestamp(),
		parked_lane = @lane,
		parked_reason = why.reason || coalesce('; ' || holders(@site, @lane) || ' used that token: if it still runs, restart it after a change', '')
	FROM s, why, others
	WHERE site.id = s.id AND s.parked_at IS NULL AND NOT others.work AND why.reason IS NOT NULL
	RETURNING site.id, parked_reason
),
-- Where others go on, or the site is parked for another token already, only the
-- processes with this token are held (claim.sql).
held AS (
	INSERT INTO site_refusal (site_id, lane, reason)
	SELECT s.id, @lane, why.reason
	FROM s, why, others
	WHERE why.reason IS NOT NULL
		AND (s.parked_at IS NULL AND others.work OR s.parked_at IS NOT NULL AND s.parked_lane <> @lane)
	ON CONFLICT DO NOTHING
),
moved AS (
	DELETE FROM site_refusal f
	USING parked
	WHERE f.site_id = parked.id AND f.lane = @lane
)
INSERT INTO event (kind, site_id, detail)
SELECT 'site parked', id, parked_reason
FROM parked
