-- Pairs each row m of a chunk with the older renames o of its target that are open or
-- were sent. In this order, the last pair that says something of a field is what relabel
-- sent last: "name" and "alt" are whether the target then had what m wants. They are null
-- if o says nothing of it, because a call leaves a field as it is that it does not set.
--
-- One look-up in rename_target_idx a row, whatever PostgreSQL knows of the table: OFFSET 0
-- keeps it from beginning with the older rows, as it does if its statistics are of a time
-- when all rows had been deleted. The statement asks for the status and not for finished_at,
-- or PostgreSQL would take rename_open_idx.
SELECT m.id, m.status AS was, o.id AS older, o.batch_id AS batch, o.status IN ('pending', 'sending') AS open,
	CASE
		WHEN m.display_name IS NULL THEN true
		WHEN o.fence > 0 AND o.display_name IS NOT NULL THEN known.it AND o.status = 'succeeded' AND m.display_name = o.display_name
		END AS name,
	CASE
		WHEN m.alt_text IS NULL THEN true
		WHEN o.fence > 0 AND o.alt_text IS NOT NULL THEN known.it AND o.status = 'succeeded' AND m.alt_text = o.alt_text
		END AS alt,
	-- Whether it is open, or its call may have landed after the site was read for the plan.
	coalesce(m.status = 'unchanged' AND (
		b.forced OR o.finished_at IS NULL
		OR o.finished_at > coalesce(m.before_at, b.planned_at) OR o.unknown_until > coalesce(m.before_at, b.planned_at)
	), false) AS since
FROM batch b
JOIN rename m ON m.batch_id = b.id
CROSS JOIN LATERAL (
	SELECT o.id, o.batch_id, o.status, o.fence, o.finished_at, o.unknown_until, o.display_name, o.alt_text
	FROM rename o
	WHERE o.asset_id = m.asset_id AND o.locale_id = m.locale_id AND o.site_id = m.site_id AND o.id <> m.id
		AND (o.fence > 0 OR o.status IN ('pending', 'sending'))
	OFFSET 0
) o
JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < b.acceptance
-- Our own record decides, unless a plan has read the site since.
CROSS JOIN LATERAL (
	SELECT NOT b.forced AND coalesce(
		b.planned_at IS NULL OR b.read_by = 'record' OR o.finished_at > coalesce(m.before_at, b.planned_at), false) AS it
) known
WHERE b.id = @batch AND m.id > @after AND m.id <= @upto AND m.status IN ('pending', 'unchanged')
	AND (@only::bigint[] IS NULL OR m.id = ANY (@only))
ORDER BY m.id, ob.acceptance, o.id
