package records

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/pg"
)

// LaneState is the current state of a lane.
type LaneState struct {
	Limit   int           // 0: no limit
	Window  time.Duration // of the limit
	Used    int           // calls that count now, foreign ones included
	Foreign int           // of those, the calls of others, as far as the API's count shows them
	Blocked time.Duration // until a Retry-After ends; 0: not blocked
}

// laneSQL reads the present state of the lane l.
const laneSQL = `
	coalesce(l.call_limit, 0) AS "limit", coalesce(l.call_window, interval '0') AS "window",
	coalesce(g.ours + f.n, 0) AS used, coalesce(f.n, 0) AS "foreign",
	greatest(coalesce(l.blocked_until, clock_timestamp()) - clock_timestamp(), interval '0') AS blocked`

// laneUse counts what uses the lane l.
const laneUse = `CROSS JOIN LATERAL (
	SELECT count(*)::int AS ours FROM lane_grant g
	WHERE g.lane = l.fingerprint AND g.expires_at > (SELECT clock_timestamp()) -- once, so that the index serves it
) g CROSS JOIN LATERAL (
	SELECT CASE WHEN l.shared_until > clock_timestamp() AND l.api_until > clock_timestamp()
		THEN greatest(l.api_used - g.ours, 0) ELSE 0 END AS n
) f`

// Lane reads the lane of the token that a site was last worked with; known is false
// when it never was.
func Lane(ctx context.Context, d *db.DB, site string) (state LaneState, known bool, err error) {
	states, err := pg.Collect[LaneState](ctx, d.Pool(), "reading the lane",
		`SELECT `+laneSQL+` FROM site s JOIN lane l ON l.fingerprint = s.lane `+laneUse+` WHERE s.name = @site`,
		pgx.NamedArgs{"site": site})
	if err != nil || len(states) == 0 {
		return LaneState{}, false, err
	}
	return states[0], true, nil
}

// EndsIn estimates how long a number of calls takes if a site begins now; limited is
// false when there is no limit to calculate with.
func EndsIn(ctx context.Context, d *db.DB, site string, calls int64) (wait time.Duration, limited bool, err error) {
	list, err := pg.Collect[struct{ Wait *time.Duration }](ctx, d.Pool(), "forecasting calls",
		`SELECT ends_in(s.lane, @calls) AS wait FROM site s WHERE s.name = @site`, pgx.NamedArgs{"site": site, "calls": calls})
	if err != nil || len(list) == 0 || list[0].Wait == nil {
		return 0, false, err
	}
	return *list[0].Wait, true, nil
}

// LaneBatches lists batches whose rows are sent through the lane of a site's token, in the
// order in which they are sent; limit is the most that it lists. It is served by
// batch_unfinished_idx.
func LaneBatches(ctx context.Context, d *db.DB, site string, limit int) ([]int64, error) {
	return pg.CollectIDs(ctx, d.Pool(), "reading who uses the limit", `
		SELECT b.id FROM site s JOIN site o ON o.lane = s.lane JOIN batch b ON b.site_id = o.id
		WHERE s.name = @site AND b.status = 'active' AND b.finished_at IS NULL AND b.ended < b.total
			AND o.parked_at IS NULL AND o.paused_at IS NULL AND is_worked(o.id)
		ORDER BY b.priority, b.acceptance LIMIT @limit`, pgx.NamedArgs{"site": site, "limit": limit})
}
