ALTER TABLE audit DROP COLUMN person;

COMMENT ON COLUMN audit.who IS 'name, role and address, as far as they are known';
