ALTER TABLE batch
    DROP COLUMN column_map,
    DROP COLUMN forced,
    DROP COLUMN planned_at,
    DROP COLUMN read_by,
    DROP COLUMN reads,
    DROP COLUMN undoes;

ALTER TABLE rename
    DROP COLUMN before_name,
    DROP COLUMN before_alt_text,
    DROP COLUMN before_at;

DROP TABLE asset_state;
