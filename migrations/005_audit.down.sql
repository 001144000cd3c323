DROP INDEX attempt_sent_idx;
DROP TABLE audit;
