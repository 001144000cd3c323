-- The row of m's target that was sent last, in the order of acceptance.
SELECT o.status, o.display_name, o.alt_text, o.applied_name, o.finished_at
FROM rename o
JOIN batch ob ON ob.id = o.batch_id
WHERE o.asset_id = m.asset_id AND o.locale_id = m.locale_id AND o.site_id = m.site_id
	AND o.id <> m.id AND o.fence > 0
ORDER BY ob.acceptance DESC, o.id DESC
LIMIT 1
