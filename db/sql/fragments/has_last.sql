-- Whether the target has what row m wants, by our own record: the last row that was
-- sent (last_sent) succeeded with these values. After a failure, a call in flight or
-- one of unknown outcome we do not know.
(
	last.status = 'succeeded'
	AND (m.display_name IS NULL OR m.display_name = last.display_name)
	AND (m.alt_text IS NULL OR m.alt_text = last.alt_text)
)
