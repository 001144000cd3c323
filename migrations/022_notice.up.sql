-- Notices about batches and sites, in the queue that schedules have had. It gets another
-- name; a view has the old one for programs that know the schema before.
--
-- compatible from 021

ALTER TABLE site
    ADD COLUMN notify_urls text[] NOT NULL DEFAULT '{}',
    ADD COLUMN unworked_since timestamptz,
    ADD COLUMN stalled_at timestamptz;

COMMENT ON COLUMN site.notify_urls IS 'the addresses that get a notice of each change of the site or one of its batches';
COMMENT ON COLUMN site.unworked_since IS 'since when rows wait and no process works the site, as the processes have noticed';
COMMENT ON COLUMN site.stalled_at IS 'when a notice was made of that; NULL: it is over';

ALTER TABLE batch ADD COLUMN notify_urls text[] NOT NULL DEFAULT '{}';

COMMENT ON COLUMN batch.notify_urls IS 'the addresses that get a notice of each change of this batch, and of its site while the batch is open';

-- A notice is about a schedule, whose address it goes to, or about a site and perhaps one
-- of its batches; then it has its address.
ALTER TABLE schedule_notice RENAME TO notice;

ALTER TABLE notice
    ALTER COLUMN schedule_id DROP NOT NULL,
    ALTER COLUMN run_id DROP NOT NULL,
    ADD COLUMN site_id integer,
    ADD COLUMN batch_id bigint,
    ADD COLUMN url text,
    DROP CONSTRAINT schedule_notice_event_check,
    ADD CONSTRAINT notice_event_check CHECK (event IN (
        'failed', 'trouble', 'recovered', 'held', 'parked', 'missed',
        'done', 'paused', 'resumed', 'breaker_open', 'breaker_closed', 'stalled', 'working')),
    ADD CONSTRAINT notice_about CHECK (CASE WHEN schedule_id IS NULL
        THEN num_nonnulls(site_id, url) = 2 ELSE num_nonnulls(site_id, batch_id, url) = 0 AND run_id IS NOT NULL END);

COMMENT ON COLUMN notice.site_id IS 'NULL: that of the schedule';
COMMENT ON COLUMN notice.url IS 'NULL: that of the schedule';

ALTER INDEX schedule_notice_due_idx RENAME TO notice_due_idx;
ALTER INDEX schedule_notice_history_idx RENAME TO notice_history_idx;

-- Workers of the release before use the old name while they still run. The next release
-- drops it.
CREATE VIEW schedule_notice AS
    SELECT id, schedule_id, run_id, event, detail, created_at, tries, next_try_at, sent_at, error
    FROM notice WHERE schedule_id IS NOT NULL;

-- Makes a notice for each address: of the batch, or of the site and its open batches.
CREATE FUNCTION make_notices(site integer, batch bigint, event text, detail text) RETURNS void LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO notice (site_id, batch_id, event, detail, url)
    SELECT make_notices.site, make_notices.batch, make_notices.event, coalesce(make_notices.detail, ''), a.url
    FROM (
        SELECT unnest(s.notify_urls) AS url FROM site s WHERE s.id = make_notices.site
        UNION
        SELECT unnest(b.notify_urls) FROM batch b
        WHERE b.id = make_notices.batch OR make_notices.batch IS NULL AND b.site_id = make_notices.site
            AND b.status IN ('active', 'paused') AND b.finished_at IS NULL
    ) a;
END;

-- The notices are made by triggers, because many statements end a batch. So the change and
-- its notice are one transaction, whatever statement of whatever version made the change.
CREATE FUNCTION notice_of_batch() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE bad bigint := NEW.failed + NEW.conflict + NEW.invalid;
BEGIN
    IF NEW.status = 'paused' THEN
        PERFORM make_notices(NEW.site_id, NEW.id, 'paused', NEW.status_reason);
    ELSIF bad > 0 THEN
        PERFORM make_notices(NEW.site_id, NEW.id, 'trouble', bad || ' of ' || NEW.total || ' rows did not succeed');
    ELSE
        PERFORM make_notices(NEW.site_id, NEW.id, 'done', NEW.total || CASE NEW.total WHEN 1 THEN ' row' ELSE ' rows' END);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION notice_of_site() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF (OLD.parked_at IS NULL) <> (NEW.parked_at IS NULL) THEN
        PERFORM make_notices(NEW.id, NULL, CASE WHEN NEW.parked_at IS NULL THEN 'resumed' ELSE 'parked' END, NEW.parked_reason);
    END IF;
    IF OLD.stalled_at IS NULL AND NEW.stalled_at IS NOT NULL THEN
        PERFORM make_notices(NEW.id, NULL, 'stalled', 'rows wait, and no process has worked the site since '
            || to_char(NEW.unworked_since AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC: start relabel work');
    ELSIF OLD.stalled_at IS NOT NULL AND NEW.stalled_at IS NULL AND is_worked(NEW.id) THEN
        PERFORM make_notices(NEW.id, NULL, 'working', 'a process works the site again');
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION notice_of_breaker() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM make_notices(NEW.site_id, NULL, CASE WHEN NEW.opened_at IS NULL THEN 'breaker_closed' ELSE 'breaker_open' END,
        NEW.last_error);
    RETURN NULL;
END $$;

-- A plan that ends without being applied has no acceptance. A person who pauses a batch
-- gives no reason.
CREATE TRIGGER notice AFTER UPDATE OF status, status_reason ON batch FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.acceptance IS NOT NULL
        AND (NEW.status = 'done' OR NEW.status = 'paused' AND NEW.status_reason IS NOT NULL))
    EXECUTE FUNCTION notice_of_batch();

CREATE TRIGGER notice AFTER UPDATE OF parked_at, stalled_at ON site FOR EACH ROW
    WHEN ((OLD.parked_at IS NULL) <> (NEW.parked_at IS NULL) OR (OLD.stalled_at IS NULL) <> (NEW.stalled_at IS NULL))
    EXECUTE FUNCTION notice_of_site();

CREATE TRIGGER notice AFTER UPDATE OF opened_at ON breaker FOR EACH ROW
    WHEN ((OLD.opened_at IS NULL) <> (NEW.opened_at IS NULL))
    EXECUTE FUNCTION notice_of_breaker();
