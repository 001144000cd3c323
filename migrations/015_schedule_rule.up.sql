-- A schedule may run a saved rule instead of reading a source.
ALTER TABLE schedule
    ADD COLUMN rule text,
    ADD CONSTRAINT schedule_rule_fkey FOREIGN KEY (site_id, rule) REFERENCES rule (site_id, name),
    DROP CONSTRAINT schedule_one_source,
    ADD CONSTRAINT schedule_one_source CHECK (num_nonnulls(csv, query, query_file, rule) = 1);

COMMENT ON COLUMN schedule.rule IS 'the name of a rule of the same site; it cannot be deleted meanwhile';
