-- A schedule without a source can't be kept.
DELETE FROM schedule WHERE rule IS NOT NULL;
ALTER TABLE schedule
    DROP CONSTRAINT schedule_one_source,
    DROP CONSTRAINT schedule_rule_fkey,
    DROP COLUMN rule,
    ADD CONSTRAINT schedule_one_source CHECK (num_nonnulls(csv, query, query_file) = 1);
