-- What a token may do follows from the settings of all the sites that are worked
-- with it; a refused token stops the processes that have it, and no others.

ALTER TABLE site ADD COLUMN worked_rate text;

COMMENT ON COLUMN site.worked_rate IS
    'the limit by the environment of the process that came to work it last; rate_limit goes before it';

-- The sites of a token.
CREATE INDEX site_lane_idx ON site (lane);

-- The window that a grant's expires_at goes by, so that it can follow when the
-- lane's window changes while the call is in flight.
ALTER TABLE lane_grant ADD COLUMN call_window interval NOT NULL DEFAULT interval '1 minute';

UPDATE lane_grant g SET call_window = l.call_window FROM lane l WHERE l.fingerprint = g.lane;
