-- What names instead of ids, rules and the page of assets need.

ALTER TABLE asset_state
    ADD COLUMN created_on timestamptz,
    ADD COLUMN alt_null boolean NOT NULL DEFAULT false;

COMMENT ON COLUMN asset_state.created_on IS 'when the asset was uploaded, as the API says';
COMMENT ON COLUMN asset_state.alt_null IS 'the API answered null as the alt text';
COMMENT ON COLUMN asset_state.folder IS 'Webflow''s id of the folder, empty at the root; only List Assets has it';

-- The folders of a site, as List Asset Folders answered last.
CREATE TABLE asset_folder (
    site_id      integer NOT NULL REFERENCES site ON DELETE CASCADE,
    folder_id    text COLLATE "C" NOT NULL,
    display_name text NOT NULL,
    parent_id    text COLLATE "C" NOT NULL DEFAULT '',
    path         text NOT NULL,
    read_at      timestamptz NOT NULL,
    PRIMARY KEY (site_id, folder_id)
);

COMMENT ON COLUMN asset_folder.parent_id IS 'empty at the root';
COMMENT ON COLUMN asset_folder.path IS 'the display names from the root, with / between them';

-- The last complete reading of a site's pages. An asset whose state is older has left
-- the site since.
CREATE TABLE site_reading (
    site_id   integer NOT NULL REFERENCES site ON DELETE CASCADE,
    locale_id text COLLATE "C" NOT NULL DEFAULT '',
    began_at  timestamptz NOT NULL,
    assets    bigint NOT NULL,
    calls     bigint NOT NULL,
    PRIMARY KEY (site_id, locale_id)
);

COMMENT ON COLUMN site_reading.began_at IS 'by the database''s clock: the states are at least as new';

-- Rules that people saved, for one site each.
CREATE TABLE rule (
    site_id    integer NOT NULL REFERENCES site ON DELETE CASCADE,
    name       text NOT NULL,
    definition jsonb NOT NULL,
    saved_at   timestamptz NOT NULL DEFAULT now(),
    saved_by   text NOT NULL DEFAULT '',
    PRIMARY KEY (site_id, name)
);

COMMENT ON COLUMN rule.definition IS 'which assets, and what becomes of them: the flags of relabel rename by name';
