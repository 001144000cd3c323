-- Whether an accepted row of m's target is open, or its call may have landed after
-- the site was read for the plan.
EXISTS (
	SELECT
	FROM rename o
	JOIN batch ob ON ob.id = o.batch_id
	WHERE o.asset_id = m.asset_id AND o.locale_id = m.locale_id AND o.site_id = m.site_id
		AND o.id <> m.id
		AND ob.acceptance IS NOT NULL
		AND (
			o.finished_at IS NULL
			OR o.fence > 0 AND (
				o.finished_at > coalesce(m.before_at, b.planned_at)
				OR o.unknown_until > coalesce(m.before_at, b.planned_at)
			)
		)
)
