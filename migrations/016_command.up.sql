-- Schedules that read what a command writes.
ALTER TABLE schedule
    ADD COLUMN command text,
    ADD COLUMN command_shell boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT schedule_one_source,
    ADD CONSTRAINT schedule_one_source CHECK (num_nonnulls(csv, query, query_file, rule, command) = 1);

COMMENT ON COLUMN schedule.command IS 'writes a CSV; a worker runs it only if its environment says RELABEL_ALLOW_EXEC=1';
COMMENT ON COLUMN schedule.command_shell IS 'a shell runs the command';
COMMENT ON COLUMN schedule.source_env IS 'the variable that holds the URL of the database for query and query_file';
