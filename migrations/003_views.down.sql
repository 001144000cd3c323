-- Undoes 003_views.up.sql.
DROP VIEW attempt_log;
DROP VIEW rename_overview;
DROP VIEW batch_progress;
DROP VIEW rate_now;
DROP TABLE event;
DROP INDEX rename_ended_idx;
ALTER TABLE attempt DROP COLUMN delay;
ALTER TABLE rename DROP COLUMN cancelled_at, DROP COLUMN retried_at;
