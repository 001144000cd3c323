-- Locks the breakers, of the sites of some renames, that count failures. Those whose API
-- has answered (the renames @answered) begin to count anew, and an open one closes, which
-- is an event. A healthy site's breaker is not locked: all its finishes would wait for
-- each other.
WITH
sick AS MATERIALIZED (
	SELECT site_id, opened_at
	FROM breaker
	WHERE site_id IN (SELECT site_id FROM rename WHERE id = ANY (@rename_ids))
		AND (failures > 0 OR opened_at IS NOT NULL)
	ORDER BY site_id
	FOR NO KEY UPDATE
),
well AS (
	UPDATE breaker b
	SET failures = 0, opened_at = NULL, next_probe_at = NULL, last_error = NULL
	FROM sick s
	WHERE b.site_id = s.site_id
		AND EXISTS (SELECT FROM rename r WHERE r.id = ANY (@answered) AND r.site_id = s.site_id)
	RETURNING b.site_id, s.opened_at AS was
)
INSERT INTO event (kind, site_id)
SELECT 'breaker closed', site_id
FROM well
WHERE was IS NOT NULL
