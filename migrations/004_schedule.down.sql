-- Undoes 004_schedule.up.sql.
DROP TABLE schedule_notice;
DROP TABLE schedule_run;
DROP TABLE schedule;
