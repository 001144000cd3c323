---- tern: disable-tx ----
SET lock_timeout = 0;
DROP INDEX CONCURRENTLY IF EXISTS schedule_run_batch_idx;
