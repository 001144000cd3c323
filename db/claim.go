package db

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Verdict is the answer to a claim.
type Verdict string

// The verdicts.
const (
	Claimed Verdict = "claimed" // send it: the lease is yours
	Final   Verdict = "final"   // nothing to do, now or ever
	Held    Verdict = "held"    // batch paused or planned, site parked or paused: the feed brings it back
	Refused Verdict = "refused" // the claimer's token was refused, and others go on with another one
	Wait    Verdict = "wait"    // come again after Claim.Wait
)

// ProbeEvery is how often an open breaker lets one call through.
const ProbeEvery = 5 * time.Second

// ClaimParams asks for the leases of several renames at once.
type ClaimParams struct {
	ProcessID  string
	RenameIDs  []int64
	Lease      time.Duration
	Quarantine time.Duration // how long a call of unknown outcome might still land

	// Lanes are the tokens of the claimer's sites, by fingerprint: a site that is
	// parked for another token is not parked for who has this one.
	Lanes map[int]string
}

// Claim is the answer for one rename: what to send, under which fence.
type Claim struct {
	RenameID    int64
	BatchID     int64
	SiteID      int
	Verdict     Verdict
	Wait        time.Duration // for Wait: until a lease, a retry, another call of the target or the next probe
	Fence       int32
	Failures    int
	Probe       bool // the breaker is open: this one call finds out whether the API is well again
	AssetID     string
	LocaleID    string
	DisplayName *string
	AltText     *string
}

// lockRenames comes before claimSQL, in one round trip and one transaction with
// it, because only a statement that begins after the locks are held sees what
// their last holders, and all who committed while it waited, have written: a
// claim must not go by a batch, a site or another call of the target as they
// were before.
const lockRenames = `SELECT FROM rename WHERE id = ANY (@rename_ids) ORDER BY id FOR NO KEY UPDATE`

// claimSQL re-reads the truth of each rename under its row's lock and decides
// in one place.
//
// One call in flight a target: a row that may be claimed has superseded all older
// open renames of its target, so only a call sent before that can
// still be in flight or unknown, and "busy" waits for it. A lease that ended
// without a finish (its process died) leaves an unknown outcome too.
//
// A batch is accepted at once, and its rows supersede older ones in chunks
// (acceptBatch). What is not accepted yet is held. An older rename that a later
// chunk will supersede ends here.
//
// An open breaker lets one claim of the site through every few seconds; its row
// is locked, and so serialises claims, only while it is open.
//
// Served by rename's primary key and rename_target_idx.
const claimSQL = `
WITH wanted AS (
	SELECT r.* FROM rename r WHERE r.id = ANY (@rename_ids)
), open_breaker AS MATERIALIZED (
	SELECT site_id, next_probe_at FROM breaker
	WHERE opened_at IS NOT NULL AND site_id IN (SELECT site_id FROM wanted) FOR NO KEY UPDATE
), accepting AS MATERIALIZED (
	SELECT id, site_id, acceptance, accepted_to FROM batch
	WHERE site_id IN (SELECT site_id FROM wanted) AND status IN ('active', 'paused') AND accepted_to IS NOT NULL
), judged AS (
	SELECT w.id, w.site_id, newer.id AS newer, CASE
		WHEN w.finished_at IS NOT NULL THEN 'final'
		WHEN w.lease_until > clock_timestamp() THEN 'wait'
		WHEN w.superseded_by IS NOT NULL THEN 'superseded'
		WHEN b.status = 'cancelled' OR w.cancelled_at IS NOT NULL THEN 'cancelled'
		WHEN newer.id IS NOT NULL THEN 'superseded'
		WHEN b.status <> 'active' OR b.accepted_to < w.id OR s.paused_at IS NOT NULL
			OR s.parked_at IS NOT NULL AND coalesce(s.parked_lane = own.lane, true) THEN 'held'
		WHEN EXISTS (SELECT FROM site_refusal f WHERE f.site_id = w.site_id AND f.lane = own.lane) THEN 'refused'
		WHEN w.not_before > clock_timestamp() OR busy.until IS NOT NULL THEN 'wait'
		ELSE 'claimed' END AS verdict,
		greatest(w.lease_until, w.not_before, busy.until) AS until
	FROM wanted w
	JOIN batch b ON b.id = w.batch_id
	JOIN site s ON s.id = w.site_id
	LEFT JOIN unnest(@own_sites::int[], @own_lanes::text[]) AS own (site_id, lane) ON own.site_id = w.site_id
	LEFT JOIN LATERAL (
		SELECT max(greatest(o.lease_until + @quarantine::interval, o.unknown_until)) AS until FROM rename o
		WHERE o.asset_id = w.asset_id AND o.locale_id = w.locale_id AND o.site_id = w.site_id AND o.id <> w.id
			AND (o.lease_until + @quarantine::interval > clock_timestamp() OR o.unknown_until > clock_timestamp())
	) busy ON true
	LEFT JOIN LATERAL (
		SELECT n.id FROM accepting a JOIN rename n ON n.batch_id = a.id AND n.id > a.accepted_to
		WHERE a.site_id = w.site_id AND a.acceptance > b.acceptance AND n.status IN ('pending', 'unchanged')
			AND n.asset_id = w.asset_id AND n.locale_id = w.locale_id AND n.site_id = w.site_id
		ORDER BY a.acceptance DESC LIMIT 1
	) newer ON true
), settled AS (
	SELECT j.id, j.site_id, j.newer, o.site_id IS NOT NULL AND j.verdict = 'claimed' AS probe,
		CASE WHEN j.verdict = 'claimed' AND o.site_id IS NOT NULL AND (o.next_probe_at > clock_timestamp()
			OR row_number() OVER (PARTITION BY j.site_id, j.verdict ORDER BY j.id) > 1) THEN 'wait'
			ELSE j.verdict END AS verdict,
		greatest(j.until, o.next_probe_at) - clock_timestamp() AS wait
	FROM judged j LEFT JOIN open_breaker o USING (site_id)
), changed AS (
	UPDATE rename r SET
		status = CASE j.verdict WHEN 'claimed' THEN 'sending' ELSE j.verdict END,
		fence = r.fence + (j.verdict = 'claimed')::int,
		process_id = @process_id,
		superseded_by = CASE j.verdict WHEN 'superseded' THEN coalesce(r.superseded_by, j.newer) ELSE r.superseded_by END,
		not_before = NULL,
		lease_until = CASE j.verdict WHEN 'claimed' THEN clock_timestamp() + @lease::interval END,
		unknown_until = greatest(r.unknown_until, r.lease_until + @quarantine::interval),
		finished_at = CASE j.verdict WHEN 'claimed' THEN NULL ELSE clock_timestamp() END
	FROM settled j
	WHERE r.id = j.id AND j.verdict IN ('claimed', 'superseded', 'cancelled')
	RETURNING r.id, r.fence, r.batch_id, r.status
), probed AS (
	UPDATE breaker b SET next_probe_at = clock_timestamp() + @probe_every::interval
	FROM settled j WHERE b.site_id = j.site_id AND j.probe AND j.verdict = 'claimed'
), moved AS (
	SELECT c.batch_id, w.status AS was, c.status FROM changed c JOIN wanted w USING (id)
), ` + movesSQL + `, tally AS (
	UPDATE batch b SET ` + addMoves + ` FROM moves m WHERE b.id = m.batch_id
)
SELECT w.id AS rename_id, w.batch_id, w.site_id,
	CASE WHEN j.verdict IN ('superseded', 'cancelled') THEN 'final' ELSE j.verdict END AS verdict,
	CASE WHEN j.verdict = 'wait' THEN coalesce(j.wait, interval '0') ELSE interval '0' END AS wait,
	coalesce(c.fence, w.fence) AS fence, w.failures::int AS failures,
	j.probe AND j.verdict = 'claimed' AS probe,
	w.asset_id, w.locale_id, w.display_name, w.alt_text
FROM wanted w JOIN settled j USING (id) LEFT JOIN changed c USING (id)`

// Claim takes the leases it can, in one round trip. A rename that is not in the
// answer does not exist.
func (db *DB) Claim(ctx context.Context, p ClaimParams) (claims []Claim, err error) {
	sites, lanes := ownLanes(p.Lanes)
	args := pgx.NamedArgs{
		"own_sites": sites, "own_lanes": lanes,
		"rename_ids": p.RenameIDs, "process_id": p.ProcessID, "lease": p.Lease, "quarantine": p.Quarantine,
		"probe_every": ProbeEvery,
	}
	batch := &pgx.Batch{}
	batch.Queue(lockRenames, args)
	batch.Queue(claimSQL, args).Query(func(rows pgx.Rows) (err error) {
		claims, err = pgx.CollectRows(rows, pgx.RowToStructByName[Claim])
		return err
	})
	if err := db.pool.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("error claiming renames: %w", err)
	}
	return claims, nil
}
