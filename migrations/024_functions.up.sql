-- The functions that every progress display calls, in PL/pgSQL: a session keeps their plans.
-- PostgreSQL before 18 plans a function in SQL again for each query, and that took most of a
-- progress query's time. A statement of PL/pgSQL is planned when it runs first, and most
-- commands ask once, so ends_at and refused_in end before their large statement if it has no
-- answer.
--
-- SECURITY DEFINER as before, so the search_path is fixed; pg_temp is last, or a caller's
-- temporary table would stand in for one of ours.

CREATE OR REPLACE FUNCTION is_worked(which integer) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = relabel, pg_temp AS $$
BEGIN
    RETURN (SELECT EXISTS (SELECT FROM process p
        WHERE which = ANY (p.sites) AND p.heartbeat_at > clock_timestamp() - interval '30 s'));
END $$;

CREATE OR REPLACE FUNCTION ends_in(which text, calls bigint) RETURNS interval LANGUAGE plpgsql SECURITY DEFINER SET search_path = relabel, pg_temp AS $$
BEGIN
    RETURN (WITH l AS MATERIALIZED (
        SELECT fingerprint, call_limit, call_window, t.now, api_used, api_until,
            shared_until > t.now AND api_until > t.now AS shared,
            greatest(blocked_until - t.now, interval '0') AS blocked
        FROM lane, (SELECT clock_timestamp() AS now) t WHERE fingerprint = which AND call_limit IS NOT NULL
    ), ours AS MATERIALIZED (
        SELECT least(g.expires_at - l.now, l.call_window) AS free_in,
            CASE WHEN g.expires_at <= l.now + l.call_window THEN g.expires_at - l.call_window - g.granted_at END AS answer
        FROM l JOIN lane_grant g ON g.lane = l.fingerprint AND g.expires_at > l.now
    ), taken AS MATERIALIZED (
        SELECT free_in FROM ours
        UNION ALL
        SELECT l.api_until - l.now FROM l CROSS JOIN LATERAL generate_series(1,
            CASE WHEN l.shared THEN l.api_used - (SELECT count(*) FROM ours) ELSE 0 END)
    ), last AS (
        SELECT l.blocked, l.call_window, coalesce(greatest((SELECT avg(answer) FROM ours), interval '0'), interval '0') AS answer,
            (calls - 1) / l.call_limit AS windows,
            (calls - 1) % l.call_limit - l.call_limit + (SELECT count(*) FROM taken) AS place
        FROM l
    )
    SELECT CASE WHEN calls <= 0 THEN interval '0' ELSE
        greatest(blocked, CASE WHEN place >= 0 THEN (SELECT free_in FROM taken ORDER BY free_in OFFSET place LIMIT 1) END)
            + windows * (call_window + answer) + answer END
    FROM last);
END $$;

CREATE OR REPLACE FUNCTION ends_at(which bigint) RETURNS timestamptz LANGUAGE plpgsql SECURITY DEFINER SET search_path = relabel, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM batch b JOIN site s ON s.id = b.site_id JOIN breaker k ON k.site_id = s.id
        WHERE b.id = which AND b.status = 'active' AND b.ended < b.total
            AND s.parked_at IS NULL AND s.paused_at IS NULL AND k.opened_at IS NULL AND is_worked(s.id)
            AND EXISTS (SELECT FROM lane WHERE fingerprint = s.lane AND call_limit IS NOT NULL)
    ) THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT greatest(clock_timestamp() + e.wait, CASE WHEN b.total - b.ended <= 100 THEN (
        SELECT max(r.not_before) FROM rename r WHERE r.batch_id = b.id AND r.finished_at IS NULL
    ) END)
    FROM batch b JOIN site s ON s.id = b.site_id JOIN breaker k ON k.site_id = s.id
    CROSS JOIN LATERAL (
        SELECT min(o.priority) AS priority FROM batch o WHERE o.site_id = b.site_id AND o.status = 'active' AND o.ended + o.sending < o.total
    ) first CROSS JOIN LATERAL (
        SELECT coalesce(sum(n.calls) FILTER (WHERE o.priority <= first.priority AND b.priority > first.priority), 0)::bigint AS before,
            coalesce(sum(n.calls) FILTER (WHERE (o.priority > first.priority OR b.priority <= first.priority)
                AND (o.priority, o.acceptance) <= (b.priority, b.acceptance)), 0)::bigint AS own,
            coalesce(sum(n.calls) FILTER (WHERE o.priority > b.priority), 0)::bigint AS later
        FROM batch o CROSS JOIN LATERAL (SELECT o.total - o.ended - o.sending AS calls) n
        WHERE o.site_id = b.site_id AND o.status = 'active'
    ) c CROSS JOIN LATERAL (
        SELECT CASE WHEN b.priority > first.priority THEN least(c.before + c.own, c.own * 10) ELSE c.own + least(c.later, c.own / 9) END AS calls
    ) own CROSS JOIN LATERAL (
        SELECT coalesce(sum(least(n.calls, own.calls)), 0)::bigint AS calls
        FROM site os JOIN breaker ok ON ok.site_id = os.id CROSS JOIN LATERAL (
            SELECT coalesce(sum(o.total - o.ended - o.sending), 0) AS calls FROM batch o
            WHERE o.site_id = os.id AND o.status = 'active'
        ) n
        WHERE os.lane = s.lane AND os.id <> s.id AND os.parked_at IS NULL AND os.paused_at IS NULL
            AND ok.opened_at IS NULL AND is_worked(os.id)
    ) beside CROSS JOIN LATERAL (
        SELECT ends_in(s.lane, own.calls + beside.calls) AS wait
    ) e
    WHERE b.id = which AND e.wait IS NOT NULL);
END $$;

CREATE OR REPLACE FUNCTION holders(which integer, token text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = relabel, pg_temp AS $$
BEGIN
    RETURN (SELECT string_agg('process ' || p.pid || ' on ' || p.host, ', ' ORDER BY p.host, p.pid)
    FROM process p CROSS JOIN LATERAL unnest(p.sites, p.lanes) AS w (site_id, lane)
    WHERE which = ANY (p.sites) AND p.heartbeat_at > clock_timestamp() - interval '30 s' AND w.site_id = which AND w.lane = token);
END $$;

CREATE OR REPLACE FUNCTION refused_in(which integer) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = relabel, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM site_refusal WHERE site_id = which) THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT string_agg(holders(which, f.lane), ', ' ORDER BY f.refused_at) FROM site_refusal f WHERE f.site_id = which);
END $$;

-- The triggers of 022 call it.
CREATE OR REPLACE FUNCTION make_notices(site integer, batch bigint, event text, detail text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO notice (site_id, batch_id, event, detail, url)
    SELECT make_notices.site, make_notices.batch, make_notices.event, coalesce(make_notices.detail, ''), a.url
    FROM (
        SELECT unnest(s.notify_urls) AS url FROM site s WHERE s.id = make_notices.site
        UNION
        SELECT unnest(b.notify_urls) FROM batch b
        WHERE b.id = make_notices.batch OR make_notices.batch IS NULL AND b.site_id = make_notices.site
            AND b.status IN ('active', 'paused') AND b.finished_at IS NULL
    ) a;
END $$;
