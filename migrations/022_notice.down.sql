DROP TRIGGER notice ON breaker;
DROP TRIGGER notice ON site;
DROP TRIGGER notice ON batch;
DROP FUNCTION notice_of_breaker(), notice_of_site(), notice_of_batch(), make_notices(integer, bigint, text, text);
DROP VIEW schedule_notice;

DELETE FROM notice WHERE schedule_id IS NULL;

ALTER TABLE notice
    DROP CONSTRAINT notice_event_check,
    DROP CONSTRAINT notice_about,
    DROP COLUMN site_id,
    DROP COLUMN batch_id,
    DROP COLUMN url,
    ALTER COLUMN schedule_id SET NOT NULL,
    ALTER COLUMN run_id SET NOT NULL,
    ADD CONSTRAINT schedule_notice_event_check CHECK (event IN ('failed', 'trouble', 'recovered', 'held', 'parked', 'missed'));

ALTER INDEX notice_due_idx RENAME TO schedule_notice_due_idx;
ALTER INDEX notice_history_idx RENAME TO schedule_notice_history_idx;
ALTER TABLE notice RENAME TO schedule_notice;

ALTER TABLE batch DROP COLUMN notify_urls;
ALTER TABLE site DROP COLUMN notify_urls, DROP COLUMN unworked_since, DROP COLUMN stalled_at;
