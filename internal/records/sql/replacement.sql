-- Compares a plan with the batch that it is to replace. One look-up in
-- rename_target_idx a row of either.
WITH
-- The plan's rows, each with the last row of the old batch for its target.
ours AS (
	SELECT n.status, o.id AS old, o.id IS NOT NULL AND o.finished_at IS NULL AS open,
		n.display_name IS NOT DISTINCT FROM o.display_name AND n.alt_text IS NOT DISTINCT FROM o.alt_text AS same
	FROM batch b
	JOIN rename n ON n.id BETWEEN b.first_id AND b.last_id AND n.batch_id = b.id
	LEFT JOIN LATERAL (
		SELECT *
		FROM rename o
		WHERE o.asset_id = n.asset_id AND o.locale_id = n.locale_id AND o.site_id = n.site_id
			AND o.batch_id = @old AND o.status <> 'invalid'
		ORDER BY o.id DESC
		LIMIT 1
	) o ON true
	WHERE b.id = @plan AND n.status IN ('pending', 'unchanged')
),
-- The old batch's open rows, and whether the plan names their targets.
theirs AS (
	SELECT o.lease_until > clock_timestamp() AS flying,
		EXISTS (
			SELECT
			FROM rename n
			WHERE n.asset_id = o.asset_id AND n.locale_id = o.locale_id AND n.site_id = o.site_id
				AND n.batch_id = @plan AND n.status NOT IN ('invalid', 'superseded')
		) AS named
	FROM rename o
	WHERE o.batch_id = @old AND o.finished_at IS NULL
)
SELECT count(*) FILTER (WHERE status = 'pending' AND open AND same) AS kept,
	count(*) FILTER (WHERE status = 'pending' AND open AND NOT same) AS replaced,
	count(*) FILTER (WHERE status = 'pending' AND old IS NULL) AS added,
	count(*) FILTER (WHERE status = 'unchanged') AS sent,
	count(*) FILTER (WHERE status = 'pending' AND NOT open AND old IS NOT NULL) AS again,
	(SELECT count(*) FROM theirs WHERE NOT named) AS removed,
	(SELECT count(*) FROM theirs WHERE flying) AS in_flight
FROM ours
