---- tern: disable-tx ----
-- Finds assets by name, for rows that have no asset id. Made as in 007.
--
-- An entry of an index has at most 2,704 bytes, and a name may be longer: the indexes
-- hold its beginning. COLLATE "C" compares bytes, as equality needs no more. They leave
-- out the site: with it, PostgreSQL may take one of the others, and read the whole site.
SET lock_timeout = 0;

DROP INDEX CONCURRENTLY IF EXISTS asset_state_name_idx;
CREATE INDEX CONCURRENTLY asset_state_name_idx
    ON asset_state ((left(display_name, 200)) COLLATE "C") WHERE locale_id = '';

DROP INDEX CONCURRENTLY IF EXISTS asset_state_file_idx;
CREATE INDEX CONCURRENTLY asset_state_file_idx
    ON asset_state ((left(original_file_name, 200)) COLLATE "C") WHERE locale_id = '';

DROP INDEX CONCURRENTLY IF EXISTS asset_state_url_idx;
CREATE INDEX CONCURRENTLY asset_state_url_idx
    ON asset_state ((left(split_part(hosted_url, '?', 1), 200)) COLLATE "C") WHERE locale_id = '';
