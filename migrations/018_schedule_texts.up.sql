-- How a schedule reads the texts of its source.
ALTER TABLE schedule
    ADD COLUMN empty_marker text,
    ADD COLUMN names_in_locales text NOT NULL DEFAULT 'keep' CHECK (names_in_locales IN ('keep', 'drop', 'refuse'));

COMMENT ON COLUMN schedule.empty_marker IS 'the cell that empties an alt text; NULL: [empty]';
COMMENT ON COLUMN schedule.names_in_locales IS 'what to do with a display name in a row of a secondary locale';
