---- tern: disable-tx ----
-- Three indexes of River's that nothing reads: it fetches, rescues and cleans by state,
-- and River UI lists by state. Each job was written to them three times, which cost the
-- worker a tenth of PostgreSQL's time. River's list of kinds reads the whole table now.
-- River's reindexer is given the names of the others (jobs/client.go).
--
-- Made as in 007. River's own migrations have run before.
SET lock_timeout = 0;

DROP INDEX CONCURRENTLY IF EXISTS river_job_args_index;
DROP INDEX CONCURRENTLY IF EXISTS river_job_metadata_index;
DROP INDEX CONCURRENTLY IF EXISTS river_job_kind;
