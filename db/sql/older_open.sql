-- Finds the open rows that the rows to retry would supersede, to lock them.
SELECT o.id, o.batch_id
FROM rename r
JOIN batch b ON b.id = r.batch_id
JOIN rename o ON o.asset_id = r.asset_id AND o.locale_id = r.locale_id AND o.site_id = r.site_id
	AND o.status IN ('pending', 'sending')
JOIN batch ob ON ob.id = o.batch_id AND ob.acceptance < b.acceptance
WHERE r.id = ANY (@ids)
