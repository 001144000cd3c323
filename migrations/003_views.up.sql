-- Looking at what happens: the job table, one asset's story, and views for psql
-- and BI tools.

ALTER TABLE rename
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN retried_at timestamptz;

COMMENT ON COLUMN rename.cancelled_at IS
    'when somebody cancelled this row by itself; while its call is in flight its answer is the last word, and it is not tried again';
COMMENT ON COLUMN rename.retried_at IS 'when it was last made pending again by a retry';

ALTER TABLE attempt ADD COLUMN delay interval;

COMMENT ON COLUMN attempt.delay IS 'so long the row waits at least, from the answer on, before it is tried again';

-- What ended last. Nothing of a load enters it but rows that need no call, and of
-- those times rise, so that new entries go to the index's last page.
CREATE INDEX rename_ended_idx ON rename (finished_at, id) WHERE finished_at IS NOT NULL;

-- What made many rows wait, and what let them go on: written by the statements
-- that do it. Who did it, where it was a person, stands in the audit log.
CREATE TABLE event (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text NOT NULL CHECK (kind IN (
                 'batch paused', 'batch resumed', 'batch cancelled', 'site paused', 'site resumed',
                 'site parked', 'site unparked', 'lane stopped', 'breaker opened', 'breaker closed')),
    site_id  integer,
    batch_id bigint,
    lane     text,
    until    timestamptz,
    detail   text
);

COMMENT ON COLUMN event.lane IS 'of a lane''s event, which has no site: the token''s fingerprint';
COMMENT ON COLUMN event.until IS 'of a lane that a 429 has stopped: when its Retry-After ends';

CREATE INDEX event_site_idx ON event (site_id, at);
CREATE INDEX event_lane_idx ON event (lane, at) WHERE lane IS NOT NULL;
