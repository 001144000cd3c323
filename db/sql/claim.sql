-- Takes the leases of several rows. It reads the truth of each row under its lock,
-- and decides in one place.
--
-- Served by rename's primary key and rename_target_idx.
WITH
wanted AS (
	SELECT r.*
	FROM rename r
	WHERE r.id = ANY (@rename_ids)
),
-- An open breaker lets one claim of its site through every few seconds. Its row is
-- locked, and so serialises claims, only while it is open.
open_breaker AS MATERIALIZED (
	SELECT site_id, next_probe_at
	FROM breaker
	WHERE opened_at IS NOT NULL AND site_id IN (SELECT site_id FROM wanted)
	FOR NO KEY UPDATE
),
-- One call in flight for each target: a row that may be claimed has superseded all
-- older open rows of its target, so only a call that was sent before can still be in
-- flight or unknown. "busy_until" waits for that. A lease that ended without a finish (its
-- process died) leaves an unknown outcome too.
--
-- "newer" is a row of the target that was accepted later, and was sent or may be. Nearly
-- always it has superseded this row already. It has not if its own chunk is not accepted
-- yet, or if this row was "unchanged" until its chunk was accepted, later than the newer row.
judged AS (
	SELECT w.id, w.site_id, others.newer, CASE
		WHEN w.finished_at IS NOT NULL THEN 'final'
		WHEN w.lease_until > clock_timestamp() THEN 'wait'
		WHEN w.superseded_by IS NOT NULL THEN 'superseded'
		WHEN b.status = 'cancelled' OR w.cancelled_at IS NOT NULL THEN 'cancelled'
		WHEN others.newer IS NOT NULL THEN 'superseded'
		WHEN b.status <> 'active' OR b.accepted_to < w.id OR s.paused_at IS NOT NULL
			OR s.parked_at IS NOT NULL AND coalesce(s.parked_lane = own.lane, true) THEN 'held'
		WHEN EXISTS (SELECT FROM site_refusal f WHERE f.site_id = w.site_id AND f.lane = own.lane) THEN 'refused'
		WHEN w.not_before > clock_timestamp() OR others.busy_until IS NOT NULL THEN 'wait'
		ELSE 'claimed' END AS verdict,
		greatest(w.lease_until, w.not_before, others.busy_until) AS until
	FROM wanted w
	JOIN batch b ON b.id = w.batch_id
	JOIN site s ON s.id = w.site_id
	LEFT JOIN unnest(@own_sites::int[], @own_lanes::text[]) AS own (site_id, lane) ON own.site_id = w.site_id
	-- One look at the other rows of the target for both.
	CROSS JOIN LATERAL (
		SELECT
			max(greatest(o.lease_until + @quarantine::interval, o.unknown_until)) FILTER (
				WHERE o.lease_until + @quarantine::interval > clock_timestamp() OR o.unknown_until > clock_timestamp()
			) AS busy_until,
			(max(ARRAY[ob.acceptance, o.id]) FILTER (
				WHERE ob.acceptance > b.acceptance
					AND (o.fence > 0 OR o.status IN ('pending', 'sending', 'unchanged') AND ob.status <> 'cancelled')
			))[2] AS newer
		FROM rename o
		JOIN batch ob ON ob.id = o.batch_id
		WHERE o.asset_id = w.asset_id AND o.locale_id = w.locale_id AND o.site_id = w.site_id AND o.id <> w.id
	) others
),
-- With an open breaker all but the first claim of the site wait for the next probe.
settled AS (
	SELECT j.id, j.site_id, j.newer,
		o.site_id IS NOT NULL AND j.verdict = 'claimed' AS probe,
		CASE
			WHEN j.verdict = 'claimed' AND o.site_id IS NOT NULL AND (o.next_probe_at > clock_timestamp()
				OR row_number() OVER (PARTITION BY j.site_id, j.verdict ORDER BY j.id) > 1) THEN 'wait'
			ELSE j.verdict END AS verdict,
		greatest(j.until, o.next_probe_at) - clock_timestamp() AS wait
	FROM judged j
	LEFT JOIN open_breaker o USING (site_id)
),
changed AS (
	UPDATE rename r
	SET status = CASE j.verdict WHEN 'claimed' THEN 'sending' ELSE j.verdict END,
		fence = r.fence + (j.verdict = 'claimed')::int,
		process_id = @process_id,
		superseded_by = CASE j.verdict WHEN 'superseded' THEN coalesce(r.superseded_by, j.newer) ELSE r.superseded_by END,
		not_before = NULL,
		lease_until = CASE j.verdict WHEN 'claimed' THEN clock_timestamp() + @lease::interval END,
		unknown_until = greatest(r.unknown_until, r.lease_until + @quarantine::interval),
		finished_at = CASE j.verdict WHEN 'claimed' THEN NULL ELSE clock_timestamp() END
	FROM settled j
	WHERE r.id = j.id AND j.verdict IN ('claimed', 'superseded', 'cancelled')
	RETURNING r.id, r.batch_id, r.status
),
probed AS (
	UPDATE breaker b
	SET next_probe_at = clock_timestamp() + @probe_every::interval
	FROM settled j
	WHERE b.site_id = j.site_id AND j.probe AND j.verdict = 'claimed'
),
moved AS (
	SELECT c.batch_id, w.status AS was, c.status
	FROM changed c
	JOIN wanted w USING (id)
),
-- include: tally
-- The fence is computed as in "changed". A join with that, which the planner takes for
-- one row, would be a loop over all rows for each row.
SELECT w.id AS rename_id, w.batch_id, w.site_id,
	CASE WHEN j.verdict IN ('superseded', 'cancelled') THEN 'final' ELSE j.verdict END AS verdict,
	CASE WHEN j.verdict = 'wait' THEN coalesce(j.wait, interval '0') ELSE interval '0' END AS wait,
	w.fence + (j.verdict = 'claimed')::int AS fence,
	w.failures::int AS failures,
	j.probe AND j.verdict = 'claimed' AS probe,
	w.asset_id, w.locale_id, w.display_name, w.alt_text
FROM wanted w
JOIN settled j USING (id)
