ALTER TABLE schedule
    DROP COLUMN names_in_locales,
    DROP COLUMN empty_marker,
    DROP COLUMN ambiguous,
    DROP COLUMN sheet;
