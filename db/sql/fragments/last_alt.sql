-- The row of m's target that set its alt text last, as last_name.
SELECT o.status, o.alt_text
FROM rename o
JOIN batch ob ON ob.id = o.batch_id
WHERE o.asset_id = m.asset_id AND o.locale_id = m.locale_id AND o.site_id = m.site_id
	AND o.id <> m.id AND o.fence > 0 AND o.alt_text IS NOT NULL
ORDER BY ob.acceptance DESC, o.id DESC
LIMIT 1
