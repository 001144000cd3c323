---- tern: disable-tx ----
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_changed_idx;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_name_idx;
