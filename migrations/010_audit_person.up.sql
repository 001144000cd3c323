-- A name that somebody typed must not look like an address: they get a column each.
ALTER TABLE audit ADD COLUMN person text NOT NULL DEFAULT '';

COMMENT ON COLUMN audit.who IS 'the address of a browser, or the account and host of a command';
COMMENT ON COLUMN audit.person IS 'the name typed at the login of the dashboard, which nobody has checked';
