-- Finds open rows of a site's cancelled batches, of each batch by line, as feed.sql does.
-- Rows of a batch that is being replaced wait until the new batch's rows supersede them.
SELECT o.id
FROM batch b
CROSS JOIN LATERAL (
	SELECT o.id
	FROM rename o
	WHERE o.batch_id = b.id AND o.finished_at IS NULL
		AND (o.lease_until IS NULL OR o.lease_until < clock_timestamp())
	ORDER BY o.line
	LIMIT @limit
) o
WHERE b.site_id = @site_id AND b.status = 'cancelled' AND b.finished_at IS NULL
	AND NOT EXISTS (SELECT FROM batch n WHERE n.id = b.replaced_by AND n.accepted_to IS NOT NULL)
ORDER BY b.id, o.id
LIMIT @limit
