-- Schedules and their runs.

-- What shall run when. next_run_at is NULL while it is paused. state is what
-- somebody was last told, so that only changes are told.
CREATE TABLE schedule (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    site_id      integer NOT NULL REFERENCES site ON DELETE CASCADE,
    cron         text NOT NULL,
    time_zone    text NOT NULL,
    csv          text,
    query        text,
    query_file   text,
    source_env   text,
    source_url   text,
    column_map   text,
    skip_invalid boolean NOT NULL DEFAULT false,
    locales      text[] NOT NULL DEFAULT '{}',
    mode         text NOT NULL DEFAULT 'changed' CHECK (mode IN ('changed', 'all')),
    overlap      text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'queue', 'cancel')),
    catch_up     interval NOT NULL,
    max_change   text,
    notify_url   text,
    next_run_at  timestamptz,
    paused_at    timestamptz,
    paused_note  text,
    state        text NOT NULL DEFAULT 'ok'
                 CHECK (state IN ('ok', 'trouble', 'failed', 'held', 'parked', 'missed')),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT schedule_one_source CHECK (num_nonnulls(csv, query, query_file) = 1)
);

COMMENT ON COLUMN schedule.csv IS 'an absolute path, or an https URL';
COMMENT ON COLUMN schedule.source_env IS 'the variable that holds the URL of the PostgreSQL for query and query_file';
COMMENT ON COLUMN schedule.source_url IS 'that URL itself, where it holds no password';
COMMENT ON COLUMN schedule.max_change IS 'the most rows that may change unseen: 20% of the rows, or a number';

CREATE INDEX schedule_due_idx ON schedule (site_id, next_run_at);

-- One run. Its steps are columns, each written in the transaction that does the
-- step, so that a killed run goes on where it was:
-- batch_id (loaded), pass (how far the site is read), compared_at, applied_at,
-- finished_at. fence counts the claims: a step counts only for the claim it
-- belongs to.
CREATE TABLE schedule_run (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id  integer NOT NULL REFERENCES schedule ON DELETE CASCADE,
    due_at       timestamptz NOT NULL,
    by_hand      boolean NOT NULL DEFAULT false,
    status       text NOT NULL CHECK (status IN (
                     'waiting', 'reading', 'held', 'sending', 'done', 'failed', 'cancelled', 'skipped', 'missed')),
    batch_id     bigint,
    pass         jsonb,
    process_id   text,
    fence        integer NOT NULL DEFAULT 0,
    failures     smallint NOT NULL DEFAULT 0,
    not_before   timestamptz,
    compared_at  timestamptz,
    applied_at   timestamptz,
    started_at   timestamptz,
    finished_at  timestamptz,
    missed       integer NOT NULL DEFAULT 0,
    looked_at    bigint NOT NULL DEFAULT 0,
    different    bigint NOT NULL DEFAULT 0,
    renamed      bigint NOT NULL DEFAULT 0,
    failed       bigint NOT NULL DEFAULT 0,
    conflicts    bigint NOT NULL DEFAULT 0,
    invalid      bigint NOT NULL DEFAULT 0,
    reads        bigint NOT NULL DEFAULT 0,
    writes       bigint NOT NULL DEFAULT 0,
    rate_limited bigint NOT NULL DEFAULT 0,
    note         text,
    error        text,
    drops_plan   boolean NOT NULL DEFAULT false,
    thinned      boolean NOT NULL DEFAULT false,
    CONSTRAINT schedule_run_end CHECK (
        (status IN ('waiting', 'reading', 'held', 'sending')) = (finished_at IS NULL))
);

COMMENT ON COLUMN schedule_run.pass IS 'how far the site is read, as the planner goes on from it';
COMMENT ON COLUMN schedule_run.process_id IS 'who works at it: NULL while nobody does';
COMMENT ON COLUMN schedule_run.not_before IS 'reading failed, and is tried again then';
COMMENT ON COLUMN schedule_run.missed IS 'of a run that was missed: so many, the first of them at due_at';
COMMENT ON COLUMN schedule_run.note IS 'what a person should know of it, without being wrong';

COMMENT ON COLUMN schedule_run.drops_plan IS 'it has ended without sending its batch, which is still to be discarded';

COMMENT ON COLUMN schedule_run.thinned IS 'the rows of its batch that were as wanted are deleted: a newer run has looked at them again';

-- A schedule's history, newest first.
CREATE INDEX schedule_run_history_idx ON schedule_run (schedule_id, id);

-- Those that have not ended: few.
CREATE INDEX schedule_run_open_idx ON schedule_run (schedule_id, id) WHERE finished_at IS NULL;

CREATE INDEX schedule_run_drop_idx ON schedule_run (schedule_id) WHERE drops_plan;

-- Those whose batches hold rows yet that nobody needs any more: one or two a schedule.
CREATE INDEX schedule_run_thick_idx ON schedule_run (schedule_id, id) WHERE batch_id IS NOT NULL AND NOT thinned;

-- What somebody is to be told.
CREATE TABLE schedule_notice (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schedule_id integer NOT NULL REFERENCES schedule ON DELETE CASCADE,
    run_id      bigint NOT NULL,
    event       text NOT NULL CHECK (event IN ('failed', 'trouble', 'recovered', 'held', 'parked', 'missed')),
    detail      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    tries       integer NOT NULL DEFAULT 0,
    next_try_at timestamptz DEFAULT clock_timestamp(),
    sent_at     timestamptz,
    error       text
);

COMMENT ON COLUMN schedule_notice.next_try_at IS 'NULL: it was sent, or given up';

CREATE INDEX schedule_notice_due_idx ON schedule_notice (next_try_at) WHERE next_try_at IS NOT NULL;

CREATE INDEX schedule_notice_history_idx ON schedule_notice (schedule_id, id);
