-- Everything of relabel's lives in the schema relabel, which the migrator has
-- already created and put on the search_path.

-- A Webflow site and how its token is found. The token itself is stored
-- nowhere: token_env names a variable, token_file a file.
--
-- The row is also the lock under which batches are accepted, one at a time, so
-- that last_acceptance gives every batch of a site its place in the order
-- "newest wins".
CREATE TABLE site (
    id              integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    webflow_site_id text CHECK (webflow_site_id ~ '^[0-9a-f]{24}$'),
    token_env       text,
    token_file      text,
    api_url         text,
    rate_limit      text,
    locale_in       text CHECK (locale_in IN ('both', 'body', 'query')),
    last_acceptance bigint NOT NULL DEFAULT 0,
    lane            text,
    parked_at       timestamptz,
    parked_reason   text,
    parked_lane     text,
    paused_at       timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN site.lane IS 'the fingerprint of the token it was last worked with';

INSERT INTO site (name) VALUES ('default');

-- What tags the ids of locales have, as the site told last.
CREATE TABLE site_locale (
    site_id   integer NOT NULL REFERENCES site ON DELETE CASCADE,
    locale_id text NOT NULL,
    tag       text NOT NULL,
    PRIMARY KEY (site_id, locale_id)
);

CREATE INDEX site_locale_tag_idx ON site_locale (lower(tag));

-- Whether a site's API is well. failures counts transient failures in a row;
-- at the limit the breaker opens, and one call every few seconds probes. A table
-- of its own, as finishes must not wait for the site's lock.
CREATE TABLE breaker (
    site_id       integer PRIMARY KEY REFERENCES site ON DELETE CASCADE,
    failures      integer NOT NULL DEFAULT 0,
    opened_at     timestamptz,
    next_probe_at timestamptz,
    last_error    text
);

INSERT INTO breaker (site_id) SELECT id FROM site;

-- A running relabel process. A River job that runs in a process whose
-- heartbeat is stale is not live, and its rename is fed again.
CREATE TABLE process (
    id           text PRIMARY KEY,
    command      text NOT NULL,
    version      text NOT NULL,
    host         text NOT NULL,
    pid          integer NOT NULL,
    sites        integer[] NOT NULL DEFAULT '{}',
    started_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN process.sites IS 'the sites that it works';

-- What one token may do. Webflow counts calls per token, so sites that share a
-- token share the lane. call_limit is NULL where no limit is wanted.
CREATE TABLE lane (
    fingerprint   text PRIMARY KEY,
    call_limit    integer CHECK (call_limit > 0),
    call_window   interval NOT NULL CHECK (call_window > interval '0'),
    ceiling       integer CHECK (ceiling > 0),
    blocked_until timestamptz,
    shared_until  timestamptz,
    api_limit     integer,
    api_used      integer,
    api_until     timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN lane.ceiling IS
    'the most the user allows, from WEBFLOW_RATE_LIMIT; NULL follows what the API says';
COMMENT ON COLUMN lane.shared_until IS
    'until then somebody else is taken to use the token too, and api_used is heeded beside the log of grants';
COMMENT ON COLUMN lane.api_used IS
    'the calls, whoever made them, that the API has counted in its own window, which is over by api_until: from its X-RateLimit headers';

-- The sliding log of grants: each is the right to make one call, and counts
-- against the limit until expires_at. A grant in use expires one window after
-- its call's deadline, a settled one one window after its answer arrived; so
-- no window of any phase can hold more than the limit, and a killed process's
-- grants free themselves.
CREATE TABLE lane_grant (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane       text NOT NULL REFERENCES lane ON DELETE CASCADE,
    process_id text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL
);

CREATE INDEX lane_grant_expiry_idx ON lane_grant (lane, expires_at);

-- One load of rows. The counters are kept by the statements that change renames'
-- statuses, in their transaction, so that a batch of 5,000,000 rows tells its
-- progress by reading one row. What is in none of them is pending.
CREATE TABLE batch (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id       integer NOT NULL REFERENCES site,
    name          text NOT NULL,
    source        text NOT NULL,
    status        text NOT NULL DEFAULT 'loading'
                  CHECK (status IN ('loading', 'planned', 'active', 'paused', 'cancelled', 'done')),
    status_reason text,
    priority      smallint NOT NULL DEFAULT 2 CHECK (priority BETWEEN 1 AND 4),
    acceptance    bigint,
    first_id      bigint,
    last_id       bigint,
    total         bigint NOT NULL DEFAULT 0,
    sending       bigint NOT NULL DEFAULT 0,
    succeeded     bigint NOT NULL DEFAULT 0,
    failed        bigint NOT NULL DEFAULT 0,
    superseded    bigint NOT NULL DEFAULT 0,
    unchanged     bigint NOT NULL DEFAULT 0,
    conflict      bigint NOT NULL DEFAULT 0,
    cancelled     bigint NOT NULL DEFAULT 0,
    invalid       bigint NOT NULL DEFAULT 0,
    ended         bigint NOT NULL GENERATED ALWAYS AS
                  (succeeded + failed + superseded + unchanged + conflict + cancelled + invalid) STORED,
    calls         bigint NOT NULL DEFAULT 0,
    rate_limited  bigint NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz,
    UNIQUE (site_id, acceptance)
) WITH (fillfactor = 50); -- its counters change all day: room for HOT updates

COMMENT ON COLUMN batch.first_id IS
    'with last_id: the range of its renames'' ids, for reading them in order; rows of a batch loaded at the same time may lie between';

-- The open batches of a site, for the feed.
CREATE INDEX batch_open_idx ON batch (site_id, priority, acceptance)
    WHERE status IN ('active', 'paused');

-- One row of a batch. No foreign key to batch: its check would cost a trigger
-- call for each of 5,000,000 rows, and rows are only ever inserted by the
-- transaction that inserts their batch.
--
-- line is where the row stood in its source; ids of one batch rise with line.
-- fence counts the claims: a finish is valid only for the claim it belongs to.
CREATE TABLE rename (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id      bigint NOT NULL,
    site_id       integer NOT NULL,
    line          bigint NOT NULL,
    asset_id      text COLLATE "C" NOT NULL,
    locale_id     text COLLATE "C" NOT NULL DEFAULT '',
    display_name  text,
    alt_text      text,
    expected_name text,
    status        text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'sending', 'succeeded', 'failed', 'superseded',
                                    'unchanged', 'conflict', 'cancelled', 'invalid')),
    fence         integer NOT NULL DEFAULT 0,
    calls         integer NOT NULL DEFAULT 0,
    failures      smallint NOT NULL DEFAULT 0,
    http_status   smallint,
    process_id    text,
    not_before    timestamptz,
    lease_until   timestamptz,
    unknown_until timestamptz,
    finished_at   timestamptz,
    superseded_by bigint,
    applied_name  text,
    last_updated  timestamptz,
    error         text,
    CONSTRAINT rename_final_has_end CHECK ((status IN ('pending', 'sending')) = (finished_at IS NULL)),
    CONSTRAINT rename_sending_has_lease CHECK ((status = 'sending') = (lease_until IS NOT NULL))
) WITH (fillfactor = 85); -- a claim rewrites the row: room to do it in its page

COMMENT ON COLUMN rename.unknown_until IS
    'its last call ended without an answer and might still land until then: no newer value of the target is sent before';

COMMENT ON COLUMN rename.calls IS 'attempts: HTTP calls made';
COMMENT ON COLUMN rename.failures IS 'attempts that count against the limit of 10: real failures of this row';

-- Everything that happened to one target, and the check for a call in flight.
CREATE INDEX rename_target_idx ON rename (asset_id, locale_id, site_id);

-- What is left of a batch, in order: the feed. Its predicate is finished_at and
-- not status, so that a claim changes no indexed column (a HOT update).
-- Ordered by line and not by id: for the latter PostgreSQL may take the primary
-- key, and read all rows of the batch that have ended before it finds an open one.
CREATE INDEX rename_open_idx ON rename (batch_id, line) WHERE finished_at IS NULL;

-- What went wrong: few rows, read for every summary. A row that is failed,
-- conflict or invalid has an error always. The status is not named here, not even
-- in the predicate, so that a claim is a HOT update.
CREATE INDEX rename_trouble_idx ON rename (id) WHERE error IS NOT NULL;

-- One HTTP call made for a rename, under one claim.
CREATE TABLE attempt (
    rename_id   bigint NOT NULL,
    fence       integer NOT NULL,
    process_id  text NOT NULL,
    sent_at     timestamptz NOT NULL,
    duration    interval NOT NULL,
    outcome     text NOT NULL,
    http_status smallint,
    code        text,
    message     text,
    PRIMARY KEY (rename_id, fence)
);

-- When a batch ends, in one place for commands, pages and views. SECURITY
-- DEFINER, so that who may read a view needs no right to the tables behind it;
-- their bodies are bound here, and follow nobody's search_path.

-- Whether a process works at a site; stale after the 30 s of processStale.
CREATE FUNCTION is_worked(which integer) RETURNS boolean LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT EXISTS (SELECT FROM process p
        WHERE which = ANY (p.sites) AND p.heartbeat_at > clock_timestamp() - interval '30 s');
END;

-- How long until the last of so many calls of a lane is answered; NULL without
-- a limit. It follows from the log of grants: a place for a call is free now, or
-- becomes free when the grant that has it expires (a window from now at the
-- latest, when its call is in flight), and then once a window, which begins when
-- its call is answered. No average of the past with its waits enters it; how
-- long answers take is that of the calls that count now.
CREATE FUNCTION ends_in(which text, calls bigint) RETURNS interval LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    WITH l AS MATERIALIZED (
        SELECT fingerprint, call_limit, call_window, t.now, api_used, api_until,
            shared_until > t.now AND api_until > t.now AS shared,
            greatest(blocked_until - t.now, interval '0') AS blocked
        FROM lane, (SELECT clock_timestamp() AS now) t WHERE fingerprint = which AND call_limit IS NOT NULL
    ), ours AS MATERIALIZED (
        SELECT least(g.expires_at - l.now, l.call_window) AS free_in,
            CASE WHEN g.expires_at <= l.now + l.call_window THEN g.expires_at - l.call_window - g.granted_at END AS answer
        FROM l JOIN lane_grant g ON g.lane = l.fingerprint AND g.expires_at > l.now
    ), taken AS MATERIALIZED (
        SELECT free_in FROM ours
        UNION ALL
        SELECT l.api_until - l.now FROM l CROSS JOIN LATERAL generate_series(1,
            CASE WHEN l.shared THEN l.api_used - (SELECT count(*) FROM ours) ELSE 0 END)
    ), last AS (
        SELECT l.blocked, l.call_window, coalesce(greatest((SELECT avg(answer) FROM ours), interval '0'), interval '0') AS answer,
            (calls - 1) / l.call_limit AS windows,
            (calls - 1) % l.call_limit - l.call_limit + (SELECT count(*) FROM taken) AS place
        FROM l
    )
    SELECT CASE WHEN calls <= 0 THEN interval '0' ELSE
        greatest(blocked, CASE WHEN place >= 0 THEN (SELECT free_in FROM taken ORDER BY free_in OFFSET place LIMIT 1) END)
            + windows * (call_window + answer) + answer END
    FROM last;
END;

-- When a batch ends: what is left of it and of the batches before it goes out
-- one after the other, but one call in ten is for later priorities; sites with
-- the same token get equal shares of its limit. A few rows left may wait to be tried again. NULL: it has ended, waits
-- for somebody, or has no limit to go by.
CREATE FUNCTION ends_at(which bigint) RETURNS timestamptz LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT greatest(clock_timestamp() + e.wait, CASE WHEN b.total - b.ended <= 100 THEN (
        SELECT max(r.not_before) FROM rename r WHERE r.batch_id = b.id AND r.finished_at IS NULL
    ) END)
    FROM batch b JOIN site s ON s.id = b.site_id JOIN breaker k ON k.site_id = s.id
    CROSS JOIN LATERAL (
        SELECT min(o.priority) AS priority FROM batch o WHERE o.site_id = b.site_id AND o.status = 'active' AND o.ended + o.sending < o.total
    ) first CROSS JOIN LATERAL (
        SELECT coalesce(sum(n.calls) FILTER (WHERE o.priority <= first.priority AND b.priority > first.priority), 0)::bigint AS before,
            coalesce(sum(n.calls) FILTER (WHERE (o.priority > first.priority OR b.priority <= first.priority)
                AND (o.priority, o.acceptance) <= (b.priority, b.acceptance)), 0)::bigint AS own,
            coalesce(sum(n.calls) FILTER (WHERE o.priority > b.priority), 0)::bigint AS later
        FROM batch o CROSS JOIN LATERAL (SELECT o.total - o.ended - o.sending AS calls) n
        WHERE o.site_id = b.site_id AND o.status = 'active'
    ) c CROSS JOIN LATERAL (
        SELECT CASE WHEN b.priority > first.priority THEN least(c.before + c.own, c.own * 10) ELSE c.own + least(c.later, c.own / 9) END AS calls
    ) own CROSS JOIN LATERAL (
        SELECT coalesce(sum(least(n.calls, own.calls)), 0)::bigint AS calls
        FROM site os JOIN breaker ok ON ok.site_id = os.id CROSS JOIN LATERAL (
            SELECT coalesce(sum(o.total - o.ended - o.sending), 0) AS calls FROM batch o
            WHERE o.site_id = os.id AND o.status = 'active'
        ) n
        WHERE os.lane = s.lane AND os.id <> s.id AND os.parked_at IS NULL AND os.paused_at IS NULL
            AND ok.opened_at IS NULL AND is_worked(os.id)
    ) beside CROSS JOIN LATERAL (
        SELECT ends_in(s.lane, own.calls + beside.calls) AS wait
    ) e
    WHERE b.id = which AND b.status = 'active' AND b.ended < b.total AND e.wait IS NOT NULL
        AND s.parked_at IS NULL AND s.paused_at IS NULL AND k.opened_at IS NULL AND is_worked(s.id);
END;
