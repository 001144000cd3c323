---- tern: disable-tx ----
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_list_changed_idx;
DROP INDEX CONCURRENTLY IF EXISTS asset_state_list_idx;
