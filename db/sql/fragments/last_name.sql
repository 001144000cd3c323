-- The row of m's target that set its name last, in the order of acceptance. A call leaves
-- a field as it is that it does not set.
SELECT o.status, o.display_name, o.applied_name
FROM rename o
JOIN batch ob ON ob.id = o.batch_id
WHERE o.asset_id = m.asset_id AND o.locale_id = m.locale_id AND o.site_id = m.site_id
	AND o.id <> m.id AND o.fence > 0 AND o.display_name IS NOT NULL
ORDER BY ob.acceptance DESC, o.id DESC
LIMIT 1
