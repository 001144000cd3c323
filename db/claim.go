package db

import (
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/internal/pg"
)

// Verdict is the answer to a claim.
type Verdict string

// The verdicts.
const (
	Claimed Verdict = "claimed" // send it: the lease is yours
	Final   Verdict = "final"   // nothing to do, now or ever
	Held    Verdict = "held"    // batch paused or planned, site parked or paused: the feed brings it back
	Refused Verdict = "refused" // the claimer's token was refused; processes with another go on
	Wait    Verdict = "wait"    // come again after Claim.Wait
)

// ProbeEvery is how often an open breaker lets one call through.
const ProbeEvery = 5 * time.Second

// ClaimParams name the rows to claim, and who claims them.
type ClaimParams struct {
	ProcessID  string
	RenameIDs  []int64
	Lease      time.Duration
	Quarantine time.Duration // how long a call of unknown outcome might still land
	LockTime   time.Duration // how long the turn waits for a lock before it is ErrHeldUp; 0: without end

	// Lanes are the tokens of the claimer by site id. A site that is parked for one
	// token is not parked for a process with another.
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
	Probe       bool // the breaker is open: this one call checks whether the API is well again
	AssetID     string
	LocaleID    string
	DisplayName *string
	AltText     *string
}

// lockRenames comes before claim.sql, in one round trip and one transaction with
// it, because only a statement that begins after the locks are held sees what
// their last holders, and all who committed while it waited, have written: a
// claim must not go by a batch, a site or another call of the target as they
// were before.
const lockRenames = `SELECT FROM rename WHERE id = ANY (@rename_ids) ORDER BY id FOR NO KEY UPDATE`

// queueClaim decides about each row, and takes its lease where it may be sent (claim.sql).
// A row that is not in the answer does not exist.
func queueClaim(batch *pgx.Batch, p ClaimParams, claims *[]Claim) {
	sites, lanes := pg.Columns(p.Lanes)
	args := pgx.NamedArgs{
		"own_sites": sites, "own_lanes": lanes,
		"rename_ids": p.RenameIDs, "process_id": p.ProcessID, "lease": p.Lease, "quarantine": p.Quarantine,
		"probe_every": ProbeEvery,
	}
	batch.Queue(statement("claim"), args).Query(func(rows pgx.Rows) (err error) {
		*claims, err = pgx.CollectRows(rows, pgx.RowToStructByName[Claim])
		return err
	})
}
