-- What a plan, an undo and a verification need.

-- What a site held when relabel last looked: one row an asset and locale,
-- written page by page. Whoever compares with it says how old it may be.
CREATE TABLE asset_state (
    site_id            integer NOT NULL REFERENCES site ON DELETE CASCADE,
    locale_id          text COLLATE "C" NOT NULL DEFAULT '',
    asset_id           text COLLATE "C" NOT NULL,
    gone               boolean NOT NULL DEFAULT false,
    display_name       text NOT NULL DEFAULT '',
    alt_text           text NOT NULL DEFAULT '',
    original_file_name text NOT NULL DEFAULT '',
    content_type       text NOT NULL DEFAULT '',
    size               bigint NOT NULL DEFAULT 0,
    hosted_url         text NOT NULL DEFAULT '',
    folder             text NOT NULL DEFAULT '',
    last_updated       timestamptz,
    read_at            timestamptz NOT NULL,
    PRIMARY KEY (site_id, locale_id, asset_id)
) WITH (fillfactor = 70); -- read again and again: room for HOT updates

COMMENT ON COLUMN asset_state.gone IS 'the API answered 404';
COMMENT ON COLUMN asset_state.read_at IS 'by the database''s clock, when the reading that brought the row began: the state is at least as new';

-- The value before: what the target held when the plan was made.
ALTER TABLE rename
    ADD COLUMN before_name text,
    ADD COLUMN before_alt_text text,
    ADD COLUMN before_at timestamptz;

COMMENT ON COLUMN rename.before_at IS 'when the value before was read; NULL: never';

ALTER TABLE batch
    ADD COLUMN column_map text,
    ADD COLUMN forced boolean NOT NULL DEFAULT false,
    ADD COLUMN planned_at timestamptz,
    ADD COLUMN read_by text CHECK (read_by IN ('list', 'get', 'both', 'record')),
    ADD COLUMN reads bigint NOT NULL DEFAULT 0,
    ADD COLUMN undoes bigint;

COMMENT ON COLUMN batch.column_map IS 'the mapping of columns it was loaded with, as --map takes it';
COMMENT ON COLUMN batch.forced IS 'rows whose target has the value already are sent too';
COMMENT ON COLUMN batch.planned_at IS 'when the reading began that its rows were last compared with';
COMMENT ON COLUMN batch.read_by IS 'how the state was read: pages of List Assets, Get Asset for each target, both, or relabel''s own record';
COMMENT ON COLUMN batch.reads IS 'calls made to read the state';
COMMENT ON COLUMN batch.undoes IS 'the batch whose values before this one puts back';
