-- The order in which a site's batches are accepted, and the lock under which they
-- are. It is apart from "site": who pauses or parks a site waits for no load.
CREATE TABLE acceptance (
    site_id integer PRIMARY KEY REFERENCES site ON DELETE CASCADE,
    last    bigint NOT NULL DEFAULT 0
);

INSERT INTO acceptance (site_id, last) SELECT id, last_acceptance FROM site;

ALTER TABLE site DROP COLUMN last_acceptance;

ALTER TABLE batch
    ADD COLUMN accepted_to  bigint,
    ADD COLUMN replaced_by  bigint,
    ADD COLUMN cancelled_at timestamptz;

COMMENT ON COLUMN batch.accepted_to IS
    'its renames up to this id have superseded older ones of their targets, and may be sent; NULL: all have';
COMMENT ON COLUMN batch.replaced_by IS 'the batch that took the place of what was left of it';
COMMENT ON COLUMN batch.cancelled_at IS 'when it was cancelled last: a retry that began before leaves it alone';
