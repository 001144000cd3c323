---- tern: disable-tx ----
-- A site keeps all of its batches: what is asked all day long must not read them.
--
-- Made CONCURRENTLY, so that nobody waits for it; that can't be done in a
-- transaction. One that was killed leaves an index that is not valid, so it is
-- dropped first. Without a time-out: who waits here holds nobody up.
SET lock_timeout = 0;

-- What ended last: progress and trouble since a moment.
DROP INDEX CONCURRENTLY IF EXISTS batch_ended_idx;
CREATE INDEX CONCURRENTLY batch_ended_idx ON batch (site_id, finished_at) WHERE finished_at IS NOT NULL;

-- What has not ended, the cancelled ones with open rows among them.
DROP INDEX CONCURRENTLY IF EXISTS batch_unfinished_idx;
CREATE INDEX CONCURRENTLY batch_unfinished_idx ON batch (site_id, id)
    WHERE finished_at IS NULL AND status IN ('active', 'paused', 'cancelled');

-- The newest ones of a site.
DROP INDEX CONCURRENTLY IF EXISTS batch_site_idx;
CREATE INDEX CONCURRENTLY batch_site_idx ON batch (site_id, id);
