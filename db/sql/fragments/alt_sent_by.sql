-- The newest batch that sent target r the alt text that its state s holds now, after
-- t.since.
SELECT o.batch_id
FROM rename o
JOIN batch ob ON ob.id = o.batch_id
WHERE o.asset_id = r.asset_id AND o.locale_id = r.locale_id AND o.site_id = r.site_id
	AND o.id <> r.id AND o.fence > 0
	AND s.alt_text = o.alt_text
	AND coalesce(o.finished_at, 'infinity') > t.since
ORDER BY ob.acceptance DESC
LIMIT 1
