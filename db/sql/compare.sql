-- Judges each row of a plan by the state of the site that was just read.
WITH
-- Materialized, because the status is used in many places below: PostgreSQL would work
-- it out again, with its look-up of the last row that was sent, for each of them.
judged AS MATERIALIZED (
	SELECT m.id, m.status AS was, s.display_name, s.alt_text, s.read_at, c.conflict, CASE
		WHEN s.asset_id IS NULL OR s.gone THEN 'failed'
		-- The target has the very values, or the name that the server made of ours when
		-- relabel sent it last.
		WHEN NOT b.forced
			AND (m.alt_text IS NULL OR s.alt_text = m.alt_text)
			AND (m.display_name IS NULL OR s.display_name = m.display_name OR m.display_name = (
				SELECT CASE WHEN last.status = 'succeeded' AND last.applied_name = s.display_name THEN last.display_name END
				FROM (
					-- include: last_name
				) last
			)) THEN 'unchanged'
		WHEN c.conflict IS NOT NULL AND NOT @take_over THEN 'conflict'
		ELSE 'pending' END AS status
	FROM batch b
	JOIN rename m ON m.id BETWEEN b.first_id AND b.last_id AND m.batch_id = b.id
	LEFT JOIN asset_state s ON s.site_id = m.site_id AND s.locale_id = m.locale_id AND s.asset_id = m.asset_id
		AND s.read_at >= @since
	CROSS JOIN LATERAL (
		SELECT CASE
			WHEN m.expected_name <> s.display_name THEN 'expected'
			WHEN m.before_at IS NULL THEN NULL
			WHEN m.display_name IS NOT NULL AND m.before_name IS DISTINCT FROM s.display_name THEN 'name'
			WHEN m.alt_text IS NOT NULL AND m.before_alt_text IS DISTINCT FROM s.alt_text THEN 'alt text' END AS conflict
	) c
	WHERE b.id = @batch AND m.status IN ('pending', 'unchanged', 'conflict', 'failed')
),
-- A row in conflict keeps its value before, as that is what it conflicts with.
moved AS (
	UPDATE rename r
	SET status = s.status,
		finished_at = CASE WHEN s.status <> 'pending' THEN clock_timestamp() END,
		before_name = CASE
			WHEN s.status = 'failed' OR s.status = 'conflict' AND r.before_at IS NOT NULL THEN r.before_name
			ELSE s.display_name END,
		before_alt_text = CASE
			WHEN s.status = 'failed' OR s.status = 'conflict' AND r.before_at IS NOT NULL THEN r.before_alt_text
			ELSE s.alt_text END,
		before_at = CASE
			WHEN s.status = 'failed' OR s.status = 'conflict' AND r.before_at IS NOT NULL THEN r.before_at
			ELSE s.read_at END,
		error = CASE s.status
			WHEN 'failed' THEN 'the site has no such asset'
			WHEN 'conflict' THEN CASE s.conflict
				WHEN 'expected' THEN format('the name is not as expected: it is "%s", not "%s"',
					left(s.display_name, 200), left(r.expected_name, 200))
				WHEN 'name' THEN format('changed by %s: the name was "%s" and is "%s"',
					coalesce('batch ' || (
						SELECT sender.batch_id
						FROM (SELECT r.before_at AS since) t
						CROSS JOIN LATERAL (
							-- include: name_sent_by
						) sender
					), 'somebody else'), left(r.before_name, 200), left(s.display_name, 200))
				ELSE format('changed by %s: the alt text was "%s" and is "%s"',
					coalesce('batch ' || (
						SELECT sender.batch_id
						FROM (SELECT r.before_at AS since) t
						CROSS JOIN LATERAL (
							-- include: alt_sent_by
						) sender
					), 'somebody else'), left(r.before_alt_text, 200), left(s.alt_text, 200)) END
			END
	FROM judged s
	WHERE r.id = s.id
	RETURNING r.batch_id, s.was, r.status
),
-- include: count_moves
