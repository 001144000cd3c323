-- Tokens of the API for machines, and the keys by which a load that is sent again gives
-- the same batch. A secret has 256 random bits, so one SHA-256 hides it well enough: only
-- a password that people choose needs a slow hash. So the hash can have an index.
CREATE TABLE api_token (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL,
    hash         bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    role         text NOT NULL CHECK (role IN ('read', 'write')),
    site_id      integer REFERENCES site (id),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

COMMENT ON COLUMN api_token.site_id IS 'the only site that the token may see; NULL: all';
COMMENT ON COLUMN api_token.last_used_at IS 'written at most once a minute';

-- A revoked token stays, as the audit log names it. Its name may be given again.
CREATE UNIQUE INDEX api_token_name_idx ON api_token (name) WHERE revoked_at IS NULL;

CREATE TABLE api_key (
    token_id   integer NOT NULL REFERENCES api_token (id),
    key        text NOT NULL,
    hash       bytea NOT NULL,
    batch_id   bigint NOT NULL REFERENCES batch (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (token_id, key)
);

COMMENT ON TABLE api_key IS 'a row is an Idempotency-Key of a load; it is gone with its batch';
COMMENT ON COLUMN api_key.hash IS 'SHA-256 of the parameters and the body';

-- For the cascade.
CREATE INDEX api_key_batch_idx ON api_key (batch_id);
