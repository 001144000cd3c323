package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// LaneSettings are the token and its limit as a process has them from its environment.
type LaneSettings struct {
	Fingerprint string
	Limit       int // calls a window; 0: no limit
	Window      time.Duration
	Fixed       bool // Limit is the user's ceiling; otherwise the API's headers decide
}

func (s LaneSettings) rate() Rate { return Rate{Calls: s.Limit, Window: s.Window, Fixed: s.Fixed} }

// EnsureLane sets up the lane of a site's token for a process that starts to work. It
// records the token and the limit of the process, and derives the lane's limit from all
// sites of the token. What was learned from the API stays until the API says otherwise.
func (db *DB) EnsureLane(ctx context.Context, siteID int, s LaneSettings) error {
	err := pg.RetryLost(func() error {
		return db.inLaneTx(ctx, func(tx pgx.Tx) error { return ensureLane(ctx, tx, siteID, s) })
	})
	if err != nil {
		return fmt.Errorf("error setting up the lane: %w", err)
	}
	return nil
}

func ensureLane(ctx context.Context, tx pgx.Tx, siteID int, s LaneSettings) error {
	_, err := tx.Exec(ctx, `
		UPDATE site SET lane = @fingerprint, worked_rate = CASE WHEN rate_limit IS NULL THEN @rate ELSE worked_rate END
		WHERE id = @site AND (lane IS DISTINCT FROM @fingerprint OR rate_limit IS NULL AND worked_rate IS DISTINCT FROM @rate)`,
		pgx.NamedArgs{"fingerprint": s.Fingerprint, "rate": s.rate().String(), "site": siteID})
	if err != nil {
		return fmt.Errorf("error recording the site's token: %w", err)
	}
	return setLane(ctx, tx, s)
}

// ForgetGrants deletes the old grants of tokens that are no longer used. A lane in use
// deletes its own (grant.sql). It looks into each lane.
func (db *DB) ForgetGrants(ctx context.Context) error {
	_, err := db.Pool().Exec(ctx, `
		DELETE FROM lane_grant WHERE id = ANY (ARRAY(
			SELECT g.id FROM lane l JOIN lane_grant g ON g.lane = l.fingerprint AND g.expires_at < (SELECT clock_timestamp() - @kept::interval)
			FOR UPDATE OF g SKIP LOCKED))`, pgx.NamedArgs{"kept": grantsKept})
	if err != nil {
		return fmt.Errorf("error forgetting old grants: %w", err)
	}
	return nil
}

// FindLane is EnsureLane for a process that makes calls and is no worker. It changes
// nothing unless the site was never worked with that token.
func (db *DB) FindLane(ctx context.Context, siteID int, s LaneSettings) (err error) {
	var known bool
	err = db.Pool().QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM site s JOIN lane l ON l.fingerprint = s.lane WHERE s.id = $1 AND s.lane = $2)`,
		siteID, s.Fingerprint).Scan(&known)
	if err != nil {
		return fmt.Errorf("error looking for the lane: %w", err)
	}
	if known {
		return nil
	}
	return db.EnsureLane(ctx, siteID, s)
}

// inLaneTx runs fn in a transaction that changes a lane. Changing its grants may
// deadlock with finishes that settle some of them in another order.
func (db *DB) inLaneTx(ctx context.Context, fn func(pgx.Tx) error) error {
	return pg.RetryDeadlock(func() error { return pgx.BeginFunc(ctx, db.Pool(), fn) })
}

// setLane derives a lane's limit from the sites of its token, under the lane's lock: a
// process that changes one of those sites at the same time waits, and does it again.
func setLane(ctx context.Context, tx pgx.Tx, s LaneSettings) error {
	args := pgx.NamedArgs{"lane": s.Fingerprint, "window": s.Window}
	_, err := tx.Exec(ctx, `INSERT INTO lane (fingerprint, call_window) VALUES (@lane, @window) ON CONFLICT DO NOTHING`, args)
	if err != nil {
		return fmt.Errorf("error making it: %w", err)
	}
	if _, err := tx.Exec(ctx, lockLane, args); err != nil {
		return fmt.Errorf("error locking it: %w", err)
	}
	rate, err := laneRate(ctx, tx, args)
	if err != nil {
		return err
	}
	args["limit"], args["window"], args["fixed"] = rate.Calls, rate.Window, rate.Fixed
	if !rate.Fixed && s.Limit > 0 {
		args["limit"] = s.Limit // where learning begins
	}
	for _, sql := range []string{setLaneSQL, setWindowSQL} {
		if _, err := tx.Exec(ctx, sql, args); err != nil {
			return fmt.Errorf("error setting its limit: %w", err)
		}
	}
	return nil
}

// laneRate is what the sites of a token want together.
func laneRate(ctx context.Context, tx pgx.Tx, args pgx.NamedArgs) (Rate, error) {
	sites, err := pg.Collect[struct{ Name, Rate string }](ctx, tx, "reading the token's sites", `
		SELECT name, coalesce(rate_limit, worked_rate, '') AS rate FROM site WHERE lane = @lane ORDER BY id`, args)
	if err != nil {
		return Rate{}, err
	}
	rates := make([]Rate, len(sites))
	for i, s := range sites {
		if rates[i], err = ParseRate(s.Rate); err != nil {
			return Rate{}, fmt.Errorf("site %s: rate limit: %w", s.Name, err)
		}
	}
	return CommonRate(rates), nil
}

// setLaneSQL keeps a limit that was learned, unless the ceiling changes. A lane without
// a limit keeps its window, as nothing is counted.
const setLaneSQL = `
UPDATE lane l SET
	call_limit = CASE
		WHEN n.call_limit IS NULL OR l.call_limit IS NULL THEN n.call_limit
		WHEN l.ceiling IS DISTINCT FROM n.ceiling AND n.ceiling IS NOT NULL THEN n.ceiling
		ELSE l.call_limit END,
	call_window = CASE WHEN n.call_limit IS NULL THEN l.call_window ELSE @window::interval END,
	ceiling = n.ceiling,
	updated_at = clock_timestamp()
FROM (SELECT nullif(@limit::int, 0) AS call_limit, CASE WHEN @fixed::boolean THEN nullif(@limit::int, 0) END AS ceiling) n
WHERE l.fingerprint = @lane`

// setWindowSQL gives all stored grants the lane's window. Expired ones too: when a
// window of a minute becomes an hour, the calls of the last hour count again. A finish
// uses the grant's window and not the lane's, so a finish at the same time can't settle
// a grant by the old window.
const setWindowSQL = `
UPDATE lane_grant g SET expires_at = g.expires_at + (l.call_window - g.call_window), call_window = l.call_window
FROM lane l WHERE l.fingerprint = @lane AND g.lane = @lane AND g.call_window <> l.call_window`

// GrantParams asks for several grants at once.
type GrantParams struct {
	Lane      string
	ProcessID string
	Want      int
	Hold      time.Duration // the longest that a call may take, from grant to answer
	LockTime  time.Duration // how long to wait for the lane before it is ErrHeldUp; 0: without end
}

// Grants is what a lane gave.
type Grants struct {
	IDs     []int64
	Limit   int           // 0: no limit, no ids needed
	Wait    time.Duration // until more may be had; 0 when all wanted were given
	Blocked bool          // Wait is a Retry-After
}

// lockLane serialises all decisions about a lane. It is a statement of its own, sent in
// one round trip and one transaction with the next one: only a statement that begins
// after the lock is held sees what the last holder wrote.
const (
	lockLane  = `SELECT FROM lane WHERE fingerprint = @lane FOR NO KEY UPDATE`
	lockLanes = `SELECT FROM lane WHERE fingerprint = ANY (@lanes) ORDER BY fingerprint FOR NO KEY UPDATE`
)

const (
	// grantsKept is how long an expired grant stays: it counts again when the
	// window grows, up to the longest one. (At 120 calls a minute that is 170,000
	// rows.) An answer's headers are judged by them too, against all that counted
	// when its call was sent.
	grantsKept = MaxWindow

	// sharedFor is how long a token counts as shared after a sign of it: who
	// used it will do so again. It costs nearly nothing when nobody does.
	sharedFor = time.Hour
)

// Grant gives up to Want grants of a lane, in one round trip.
func (db *DB) Grant(ctx context.Context, p GrantParams) (Grants, error) {
	all, err := db.GrantAll(ctx, []GrantParams{p})
	if err != nil {
		return Grants{}, err
	}
	got, ok := all[p.Lane]
	if !ok {
		return Grants{}, LaneGoneError(p.Lane)
	}
	return got, nil
}

// LaneGoneError means that there is no such lane.
type LaneGoneError string

func (e LaneGoneError) Error() string {
	return fmt.Sprintf("error asking the lane for grants: lane %s is gone", string(e))
}

// GrantAll is Grant for several lanes of one process, with the same Hold and LockTime. It
// leaves out lanes that don't exist, and of two requests for a lane heeds the last.
func (db *DB) GrantAll(ctx context.Context, ps []GrantParams) (map[string]Grants, error) {
	want := map[string]int{}
	for _, p := range ps {
		want[p.Lane] = p.Want
	}
	lanes, wants := pg.Columns(want)
	out := make(map[string]Grants, len(lanes))
	err := db.underLanes(ctx, pgx.NamedArgs{
		"lanes": lanes, "wants": wants, "process_id": ps[0].ProcessID, "hold": ps[0].Hold, "kept": grantsKept,
	}, ps[0].LockTime, func(rows pgx.Rows) error {
		var lane string
		var g Grants
		_, err := pgx.ForEachRow(rows, []any{&lane, &g.IDs, &g.Limit, &g.Blocked, &g.Wait}, func() error {
			out[lane], g = g, Grants{}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("error asking the lane for grants: %w", heldUp(err))
	}
	return out, nil
}

// underLanes sends the locks and the statement together: one round trip, one implicit
// transaction.
func (db *DB) underLanes(ctx context.Context, args pgx.NamedArgs, lockTime time.Duration, read func(pgx.Rows) error) error {
	batch := &pgx.Batch{}
	queueShared(batch, lockTime)
	batch.Queue(lockLanes, args)
	batch.Queue(statement("grant"), args).Query(read)
	return db.Pool().SendBatch(ctx, batch).Close()
}

// SettleGrant ends the grant of a call that renames nothing: from its answer on, which
// arrived answeredAgo, it counts for one more window. Finish does so for renames.
func (db *DB) SettleGrant(ctx context.Context, id int64, answeredAgo time.Duration) error {
	_, err := db.Pool().Exec(ctx, `
		UPDATE lane_grant SET expires_at = clock_timestamp() - $2::interval + call_window WHERE id = $1`, id, answeredAgo)
	if err != nil {
		return fmt.Errorf("error settling a grant: %w", err)
	}
	return nil
}

// ReleaseGrants gives back grants whose call was not made.
func (db *DB) ReleaseGrants(ctx context.Context, ids []int64) error {
	if _, err := db.Pool().Exec(ctx, `DELETE FROM lane_grant WHERE id = ANY ($1)`, ids); err != nil {
		return fmt.Errorf("error releasing grants: %w", err)
	}
	return nil
}

// Observation is what an answer's X-RateLimit headers said.
type Observation struct {
	Limit     int     `json:"limit"`
	Remaining int     `json:"remaining"`
	SentAgo   float64 `json:"sent_ago"` // seconds
	Refused   bool    `json:"refused"`  // the answer was 429
}

// Observe learns the API's limit from what answers said (observe.sql). A lane without a
// limit learns nothing.
func (db *DB) Observe(ctx context.Context, lane string, seen []Observation) error {
	return db.ObserveAll(ctx, map[string][]Observation{lane: seen})
}

// ObserveAll is Observe for several lanes.
func (db *DB) ObserveAll(ctx context.Context, seen map[string][]Observation) error {
	lanes, all := []string{}, []Observation{}
	for lane, list := range seen {
		lanes, all = append(lanes, slices.Repeat([]string{lane}, len(list))...), append(all, list...)
	}
	args := pgx.NamedArgs{"lanes": lanes, "observations": all, "shared": sharedFor}
	if _, err := db.Pool().Exec(ctx, statement("observe"), args); err != nil {
		return fmt.Errorf("error recording the API's limit: %w", err)
	}
	return nil
}

// BlockLane stops a lane in every process, for as long as a 429 asked for; then the
// API's window is over. Several calls in flight may be refused together: only the
// first writes an event.
func (db *DB) BlockLane(ctx context.Context, lane string, d time.Duration) error {
	_, err := db.Pool().Exec(ctx, `
		WITH before AS (
			SELECT fingerprint, coalesce(blocked_until > clock_timestamp(), false) AS stopped
			FROM lane WHERE fingerprint = $1 FOR NO KEY UPDATE
		), changed AS (
			UPDATE lane l SET
				blocked_until = greatest(l.blocked_until, clock_timestamp() + $2::interval),
				api_until = greatest(l.blocked_until, clock_timestamp() + $2::interval)
			FROM before b WHERE l.fingerprint = b.fingerprint
			RETURNING l.fingerprint, l.blocked_until, b.stopped
		)
		INSERT INTO event (kind, lane, until) SELECT 'lane stopped', fingerprint, blocked_until FROM changed WHERE NOT stopped`,
		lane, d)
	if err != nil {
		return fmt.Errorf("error blocking the lane: %w", err)
	}
	return nil
}
