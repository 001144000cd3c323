-- Who changed what: one row an action of a person, made before it begins and
-- completed when it has ended. A row without a result is of an action whose
-- process was killed in the midst of it.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    who     text NOT NULL,
    via     text NOT NULL,
    action  text NOT NULL,
    subject text NOT NULL DEFAULT '',
    detail  text NOT NULL DEFAULT '',
    rows    bigint,
    result  text
);

COMMENT ON COLUMN audit.who IS 'name, role and address, as far as they are known';
COMMENT ON COLUMN audit.via IS 'dashboard, river ui, command line';
COMMENT ON COLUMN audit.subject IS 'what was changed: batch 7, site shop, schedule nightly';
COMMENT ON COLUMN audit.rows IS 'how many rows or jobs it touched, where that is known';
COMMENT ON COLUMN audit.result IS 'done, or what went wrong; NULL: it has not ended';

-- What was done to one batch, newest first.
CREATE INDEX audit_subject_idx ON audit (subject, id);

-- The calls of the last minutes, for charts. Calls are recorded in the order of
-- their end, nearly that of their beginning, so that new entries go to the
-- index's last page.
CREATE INDEX attempt_sent_idx ON attempt (sent_at);
