DELETE FROM schedule WHERE command IS NOT NULL;
ALTER TABLE schedule
    DROP CONSTRAINT schedule_one_source,
    DROP COLUMN command,
    DROP COLUMN command_shell,
    ADD CONSTRAINT schedule_one_source CHECK (num_nonnulls(csv, query, query_file, rule) = 1);
