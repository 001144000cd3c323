-- How a schedule reads the texts of its source.
ALTER TABLE schedule
    ADD COLUMN sheet text,
    ADD COLUMN ambiguous text NOT NULL DEFAULT '' CHECK (ambiguous IN ('', 'all', 'skip')),
    ADD COLUMN empty_marker text,
    ADD COLUMN names_in_locales text NOT NULL DEFAULT 'keep' CHECK (names_in_locales IN ('keep', 'drop', 'refuse'));

COMMENT ON COLUMN schedule.sheet IS 'of an Excel file; NULL: the first visible one';
COMMENT ON COLUMN schedule.ambiguous IS 'what happens to a name that several assets have; empty: the row is refused';
COMMENT ON COLUMN schedule.empty_marker IS 'the cell that empties an alt text; NULL: [empty]';
COMMENT ON COLUMN schedule.names_in_locales IS 'what to do with a display name in a row of a secondary locale';
