---- tern: disable-tx ----
-- Which schedule has loaded a batch, for each batch of a list. Made as in 007.
SET lock_timeout = 0;

DROP INDEX CONCURRENTLY IF EXISTS schedule_run_batch_idx;
CREATE INDEX CONCURRENTLY schedule_run_batch_idx ON schedule_run (batch_id) WHERE batch_id IS NOT NULL;
