-- The last line of batch b that is accepted.
SELECT CASE
	WHEN b.accepted_to IS NULL THEN 9223372036854775807
	ELSE (SELECT l.line FROM rename l WHERE l.id = b.accepted_to AND l.batch_id = b.id) END AS line
