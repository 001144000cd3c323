-- What people marked as seen on the dashboard, so that it needs no attention any more.
CREATE TABLE seen (
    item text PRIMARY KEY,
    at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    who  text NOT NULL
);

COMMENT ON COLUMN seen.item IS 'what was seen: batch 7, 3 bad; plan 8; schedule nightly, run 5, failed';
