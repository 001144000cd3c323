DROP TABLE rule;
DROP TABLE site_reading;
DROP TABLE asset_folder;
ALTER TABLE asset_state
    DROP COLUMN alt_null,
    DROP COLUMN created_on;
