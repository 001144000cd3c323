COMMENT ON COLUMN schedule_run.thinned IS 'the rows of its batch that were as wanted are deleted: a newer run has looked at them again';
ALTER TABLE site DROP COLUMN primary_locale_id;
