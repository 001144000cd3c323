-- What a token may do follows from the settings of all the sites that are worked
-- with it; a refused token stops the processes that have it, and no others.

ALTER TABLE site ADD COLUMN worked_rate text;

COMMENT ON COLUMN site.worked_rate IS
    'the limit by the environment of the process that came to work it last; rate_limit goes before it';

-- The window that a grant's expires_at goes by, so that it can follow when the
-- lane's window changes while the call is in flight.
ALTER TABLE lane_grant ADD COLUMN call_window interval NOT NULL DEFAULT interval '1 minute';

UPDATE lane_grant g SET call_window = l.call_window FROM lane l WHERE l.fingerprint = g.lane;

ALTER TABLE process ADD COLUMN lanes text[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN process.lanes IS 'the tokens, by fingerprint, that it works its sites with: in their order';

-- A token that a site's API refused while the site goes on with another one, or is
-- parked for another one: who has it holds its claims, all others go on.
CREATE TABLE site_refusal (
    site_id    integer NOT NULL REFERENCES site ON DELETE CASCADE,
    lane       text NOT NULL,
    reason     text NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (site_id, lane)
);

-- The living processes that work a site with a token.
CREATE FUNCTION holders(which integer, token text) RETURNS text LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT string_agg('process ' || p.pid || ' on ' || p.host, ', ' ORDER BY p.host, p.pid)
    FROM process p CROSS JOIN LATERAL unnest(p.sites, p.lanes) AS w (site_id, lane)
    WHERE which = ANY (p.sites) AND p.heartbeat_at > clock_timestamp() - interval '30 s' AND w.site_id = which AND w.lane = token;
END;

-- The living processes that still have a token of a site that was refused.
CREATE FUNCTION refused_in(which integer) RETURNS text LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT string_agg(holders(which, f.lane), ', ' ORDER BY f.refused_at) FROM site_refusal f WHERE f.site_id = which;
END;
