---- tern: disable-tx ----
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS batch_site_idx;
DROP INDEX CONCURRENTLY IF EXISTS batch_unfinished_idx;
DROP INDEX CONCURRENTLY IF EXISTS batch_ended_idx;
