-- Looking at what happens: the job table, one asset's story, and views for psql
-- and BI tools.

ALTER TABLE rename
    ADD COLUMN cancelled_at timestamptz,
    ADD COLUMN retried_at timestamptz;

COMMENT ON COLUMN rename.cancelled_at IS
    'when somebody cancelled this row by itself; while its call is in flight its answer is the last word, and it is not tried again';
COMMENT ON COLUMN rename.retried_at IS 'when it was last made pending again by a retry';

ALTER TABLE attempt ADD COLUMN delay interval;

COMMENT ON COLUMN attempt.delay IS 'so long the row waits at least, from the answer on, before it is tried again';

-- What ended last. Nothing of a load enters it but rows that need no call, and of
-- those times rise, so that new entries go to the index's last page.
CREATE INDEX rename_ended_idx ON rename (finished_at, id) WHERE finished_at IS NOT NULL;

-- What made many rows wait, and what let them go on: written by the statements
-- that do it. Who did it, where it was a person, stands in the audit log.
CREATE TABLE event (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind     text NOT NULL CHECK (kind IN (
                 'batch paused', 'batch resumed', 'batch cancelled', 'site paused', 'site resumed',
                 'site parked', 'site unparked', 'lane stopped', 'breaker opened', 'breaker closed')),
    site_id  integer,
    batch_id bigint,
    lane     text,
    until    timestamptz,
    detail   text
);

COMMENT ON COLUMN event.lane IS 'of a lane''s event, which has no site: the token''s fingerprint';
COMMENT ON COLUMN event.until IS 'of a lane that a 429 has stopped: when its Retry-After ends';

CREATE INDEX event_site_idx ON event (site_id, at);
CREATE INDEX event_lane_idx ON event (lane, at) WHERE lane IS NOT NULL;

-- The views below are for psql and BI tools: their columns stay as they are. A
-- new one goes to the end.

CREATE VIEW rate_now AS
SELECT s.name AS site, l.call_limit, extract(epoch FROM l.call_window)::float8 AS window_seconds,
    coalesce(g.ours + f.n, 0) AS used, coalesce(f.n, 0) AS used_by_others, CASE WHEN l.call_limit IS NOT NULL THEN greatest(l.call_limit - g.ours - f.n, 0) END AS free,
    coalesce(g.processes, 0) AS processes,
    CASE WHEN l.blocked_until > clock_timestamp() THEN l.blocked_until END AS stopped_until,
    CASE WHEN s.parked_at IS NOT NULL THEN 'parked: ' || s.parked_reason
        WHEN s.paused_at IS NOT NULL THEN 'paused'
        WHEN k.opened_at IS NOT NULL THEN 'the API fails: ' || coalesce(k.last_error, 'no answer')
        WHEN l.blocked_until > clock_timestamp() THEN 'the API answered 429 and said for how long'
        WHEN l.call_limit <= g.ours + f.n THEN 'the limit is used up' END AS waits_for,
    s.parked_at, s.paused_at
FROM site s JOIN breaker k ON k.site_id = s.id LEFT JOIN lane l ON l.fingerprint = s.lane
LEFT JOIN LATERAL (
    SELECT count(*)::integer AS ours, count(DISTINCT g.process_id)::integer AS processes FROM lane_grant g
    WHERE g.lane = l.fingerprint AND g.expires_at > clock_timestamp()
) g ON l.fingerprint IS NOT NULL
LEFT JOIN LATERAL (
    SELECT CASE WHEN l.shared_until > clock_timestamp() AND l.api_until > clock_timestamp()
        THEN greatest(l.api_used - g.ours, 0) ELSE 0 END AS n
) f ON l.fingerprint IS NOT NULL;

COMMENT ON VIEW rate_now IS 'one row a site: how much of its limit is used now, and why nothing is sent';
COMMENT ON COLUMN rate_now.site IS 'the site''s name';
COMMENT ON COLUMN rate_now.call_limit IS 'calls that may be made in a window; NULL: no limit, or the site was never worked';
COMMENT ON COLUMN rate_now.window_seconds IS 'the length of the limit''s window';
COMMENT ON COLUMN rate_now.used IS 'calls that count against the limit now; sites with one token share it';
COMMENT ON COLUMN rate_now.used_by_others IS 'of those, the ones that the API counts and relabel did not make';
COMMENT ON COLUMN rate_now.free IS 'calls that could be made now';
COMMENT ON COLUMN rate_now.processes IS 'processes of relabel whose calls count now';
COMMENT ON COLUMN rate_now.stopped_until IS 'when the Retry-After of a 429 ends; NULL: the token is not stopped';
COMMENT ON COLUMN rate_now.waits_for IS 'why nothing is sent; NULL: something may be';
COMMENT ON COLUMN rate_now.parked_at IS 'since when the site is parked, as its token was refused';
COMMENT ON COLUMN rate_now.paused_at IS 'since when the site is paused';

CREATE VIEW batch_progress AS
SELECT b.id AS batch, b.name, s.name AS site, b.source, b.status, b.status_reason, b.priority, b.total,
    b.total - b.ended - b.sending AS pending, b.sending, b.succeeded, b.failed, b.superseded, b.unchanged,
    b.conflict, b.cancelled, b.invalid, b.ended AS done,
    round(100.0 * b.ended / nullif(b.total, 0), 1) AS percent,
    b.calls, b.rate_limited, b.created_at, b.started_at, b.finished_at,
    ends_at(b.id) AS ends_at,
    CASE WHEN b.ended = b.total THEN NULL
        WHEN b.status = 'planned' THEN 'to be applied'
        WHEN b.status IN ('paused', 'cancelled') THEN concat_ws(': ', b.status, b.status_reason)
        ELSE coalesce(r.waits_for, CASE WHEN NOT is_worked(s.id) THEN 'no worker is running' END) END AS waits_for
FROM batch b JOIN site s ON s.id = b.site_id JOIN rate_now r ON r.site = s.name;

COMMENT ON VIEW batch_progress IS 'one row a batch: how far it is. It reads counters, not rows, so it is quick for any batch';
COMMENT ON COLUMN batch_progress.batch IS 'the batch''s number';
COMMENT ON COLUMN batch_progress.name IS 'the batch''s name';
COMMENT ON COLUMN batch_progress.site IS 'its site''s name';
COMMENT ON COLUMN batch_progress.source IS 'where its rows came from';
COMMENT ON COLUMN batch_progress.status IS 'planned, active, paused, cancelled or done';
COMMENT ON COLUMN batch_progress.status_reason IS 'why it is paused or cancelled, where relabel did it';
COMMENT ON COLUMN batch_progress.priority IS '1 first to 4 last';
COMMENT ON COLUMN batch_progress.total IS 'its rows; the nine statuses from pending to invalid add up to it';
COMMENT ON COLUMN batch_progress.pending IS 'rows not sent yet, or waiting to be tried again';
COMMENT ON COLUMN batch_progress.sending IS 'rows whose call is in flight';
COMMENT ON COLUMN batch_progress.succeeded IS 'rows whose value Webflow acknowledged';
COMMENT ON COLUMN batch_progress.failed IS 'rows that Webflow refused for good, or that failed ten times';
COMMENT ON COLUMN batch_progress.superseded IS 'rows that a newer row of their asset and locale made void';
COMMENT ON COLUMN batch_progress.unchanged IS 'rows whose asset had the value already';
COMMENT ON COLUMN batch_progress.conflict IS 'rows whose asset somebody else has changed';
COMMENT ON COLUMN batch_progress.cancelled IS 'rows that were cancelled, by themselves or with the batch';
COMMENT ON COLUMN batch_progress.invalid IS 'rows that were refused when they were read';
COMMENT ON COLUMN batch_progress.done IS 'rows at their end, however that was';
COMMENT ON COLUMN batch_progress.percent IS 'done of total, with one decimal';
COMMENT ON COLUMN batch_progress.calls IS 'HTTP calls made';
COMMENT ON COLUMN batch_progress.rate_limited IS 'of those, answered 429';
COMMENT ON COLUMN batch_progress.created_at IS 'when its loading began';
COMMENT ON COLUMN batch_progress.started_at IS 'when it was accepted';
COMMENT ON COLUMN batch_progress.finished_at IS 'when its last row ended; NULL: it has rows left';
COMMENT ON COLUMN batch_progress.ends_at IS
    'the estimated end, from the limit and the rows that come before; NULL: it waits for somebody, has ended, or has no limit';
COMMENT ON COLUMN batch_progress.waits_for IS 'why nothing of it is sent now; NULL: something may be, or it has ended';

-- Both bounds of the join are needed: a batch is found by its number through the
-- primary key's range, an asset through rename_target_idx.
CREATE VIEW rename_overview AS
SELECT r.id AS rename, r.batch_id AS batch, b.name AS batch_name, s.name AS site, r.line, r.asset_id, r.locale_id,
    r.display_name, r.alt_text, r.status, r.calls AS attempts, r.failures::integer AS failures, r.http_status::integer AS http_status,
    r.before_name, r.before_alt_text, r.before_at, r.applied_name, r.error, r.superseded_by,
    r.not_before, r.retried_at, r.cancelled_at, b.started_at AS accepted_at, r.finished_at
FROM batch b JOIN rename r ON r.batch_id = b.id AND r.id BETWEEN b.first_id AND b.last_id JOIN site s ON s.id = b.site_id;

COMMENT ON VIEW rename_overview IS
    'one row a rename. Ask by batch, asset_id or rename: these have an index; the whole of it is the whole table';
COMMENT ON COLUMN rename_overview.rename IS 'the rename''s number: `relabel jobs show` takes it';
COMMENT ON COLUMN rename_overview.batch IS 'its batch''s number';
COMMENT ON COLUMN rename_overview.batch_name IS 'its batch''s name';
COMMENT ON COLUMN rename_overview.site IS 'its site''s name';
COMMENT ON COLUMN rename_overview.line IS 'the line of the source where the row starts';
COMMENT ON COLUMN rename_overview.asset_id IS 'the asset';
COMMENT ON COLUMN rename_overview.locale_id IS 'the locale; empty: the primary one';
COMMENT ON COLUMN rename_overview.display_name IS 'the name wanted; NULL: it is left alone';
COMMENT ON COLUMN rename_overview.alt_text IS 'the alt text wanted; NULL: it is left alone';
COMMENT ON COLUMN rename_overview.status IS
    'pending, sending, succeeded, failed, superseded, unchanged, conflict, cancelled or invalid';
COMMENT ON COLUMN rename_overview.attempts IS 'HTTP calls made for it';
COMMENT ON COLUMN rename_overview.failures IS 'of those, the ones that count against the limit of ten, since its last retry';
COMMENT ON COLUMN rename_overview.http_status IS 'of the last answer; NULL: there was none';
COMMENT ON COLUMN rename_overview.before_name IS 'the name that the asset had, where a plan has read it';
COMMENT ON COLUMN rename_overview.before_alt_text IS 'the alt text that the asset had, where a plan has read it';
COMMENT ON COLUMN rename_overview.before_at IS 'when the values before were read';
COMMENT ON COLUMN rename_overview.applied_name IS 'the name that Webflow answered with';
COMMENT ON COLUMN rename_overview.error IS 'the last error, in one line';
COMMENT ON COLUMN rename_overview.superseded_by IS 'the newer rename of the asset and locale that counts instead';
COMMENT ON COLUMN rename_overview.not_before IS 'it is not tried again before';
COMMENT ON COLUMN rename_overview.retried_at IS 'when a retry made it pending again, the last time';
COMMENT ON COLUMN rename_overview.cancelled_at IS 'when it was cancelled by itself';
COMMENT ON COLUMN rename_overview.accepted_at IS 'when its batch was accepted; NULL: it is a plan';
COMMENT ON COLUMN rename_overview.finished_at IS 'when it got its final status; NULL: it has none yet';

CREATE VIEW attempt_log AS
SELECT a.rename_id AS rename, a.fence AS claim, r.batch_id AS batch, s.name AS site, r.line, r.asset_id, r.locale_id,
    a.sent_at, extract(epoch FROM a.duration)::float8 AS seconds, a.outcome, a.http_status::integer AS http_status, a.code, a.message,
    extract(epoch FROM a.delay)::float8 AS retry_seconds, a.process_id AS process
FROM batch b JOIN rename r ON r.batch_id = b.id AND r.id BETWEEN b.first_id AND b.last_id
JOIN attempt a ON a.rename_id = r.id JOIN site s ON s.id = b.site_id;

COMMENT ON VIEW attempt_log IS 'one row an HTTP call. Ask by batch, asset_id, rename or sent_at: these have an index';
COMMENT ON COLUMN attempt_log.rename IS 'the rename that it was made for';
COMMENT ON COLUMN attempt_log.claim IS 'which claim of the rename made it; a number that is missing was claimed by a process that ended';
COMMENT ON COLUMN attempt_log.batch IS 'the rename''s batch';
COMMENT ON COLUMN attempt_log.site IS 'the site''s name';
COMMENT ON COLUMN attempt_log.line IS 'the line of the source where the row starts';
COMMENT ON COLUMN attempt_log.asset_id IS 'the asset';
COMMENT ON COLUMN attempt_log.locale_id IS 'the locale; empty: the primary one';
COMMENT ON COLUMN attempt_log.sent_at IS 'when it was sent, by the database''s clock';
COMMENT ON COLUMN attempt_log.seconds IS 'how long it took, to the end of the answer';
COMMENT ON COLUMN attempt_log.outcome IS 'succeeded, failed, retry, rate_limited, parked or interrupted';
COMMENT ON COLUMN attempt_log.http_status IS 'of the answer; NULL: there was none';
COMMENT ON COLUMN attempt_log.code IS 'the API''s code of the error';
COMMENT ON COLUMN attempt_log.message IS 'the API''s message, or what happened instead of an answer';
COMMENT ON COLUMN attempt_log.retry_seconds IS 'so long the row waits before it is tried again; NULL: it is not, or at once';
COMMENT ON COLUMN attempt_log.process IS 'the process that made it';
