-- Undoes 003_views.up.sql.
DROP TABLE event;
DROP INDEX rename_ended_idx;
ALTER TABLE attempt DROP COLUMN delay;
ALTER TABLE rename DROP COLUMN cancelled_at, DROP COLUMN retried_at;
