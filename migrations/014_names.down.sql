---- tern: disable-tx ----
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_url_idx;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_file_idx;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_name_idx;
