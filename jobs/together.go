package jobs

import (
	"context"
	"errors"
	"time"

	"relabel/db"
)

const (
	// turnsAtOnce is how many turns of a process run at the same time. While they run,
	// the turns of other sites wait and then share a transaction: that makes a call of one
	// in a thousand sites as cheap as one of many calls of a single site. It leaves most of
	// the process's 12 connections to others.
	turnsAtOnce = 4

	// sitesTogether bounds the sites that share a transaction.
	sitesTogether = 64

	// sharedLockTime is how long sites and lanes that share a transaction wait for a lock on
	// the rows of one of them. Then each goes alone, so a site waits only for its own rows.
	sharedLockTime = 200 * time.Millisecond
)

// turn is one claim or one finish: those of all workers of a site share transactions.
type turn struct {
	claim  int64 // the rename; 0: it is a finish
	finish db.Finish
}

// turned answers a turn. status is a finish's: the rename's new one, or empty if the lease
// was lost.
type turned struct {
	claim  db.Claim
	status db.RowStatus
}

// siteTurns are turns of one site. A site waits for its last ones before it hands in more,
// so rows that are locked hold up one transaction and not all of them.
type siteTurns struct {
	site  int
	lane  string // the token, by fingerprint
	turns []turn
}

// turnOf takes the turns of a site, together with those of other sites if the rows of none
// are locked.
func (p *Pool) turnOf(ctx context.Context, s siteTurns) ([]turned, error) {
	out, err := p.turns.do(ctx, s)
	if !errors.Is(err, db.ErrHeldUp) {
		return out, err
	}
	alone, err := retryTransient(ctx, func(ctx context.Context) ([][]turned, error) { return p.turn(ctx, []siteTurns{s}, 0) })
	if err != nil {
		return nil, err
	}
	return alone[0], nil
}

func (p *Pool) turnTogether(ctx context.Context, sites []siteTurns) ([][]turned, error) {
	return p.turn(ctx, sites, sharedLockTime)
}

// turn takes the turns of several sites in one transaction.
func (p *Pool) turn(ctx context.Context, sites []siteTurns, lockTime time.Duration) ([][]turned, error) {
	claims := db.ClaimParams{
		ProcessID: p.process.ID, Lease: p.worker.lease(), Quarantine: p.cfg.CallTimeout, LockTime: lockTime, Lanes: map[int]string{},
	}
	finishes := db.FinishParams{ProcessID: p.process.ID, BreakerLimit: p.cfg.Limits.Breaker, Quarantine: p.cfg.CallTimeout}
	for _, s := range sites {
		claims.Lanes[s.site] = s.lane
		for _, t := range s.turns {
			if t.claim != 0 {
				claims.RenameIDs = append(claims.RenameIDs, t.claim)
			} else {
				finishes.Finishes = append(finishes.Finishes, t.finish)
			}
		}
	}
	claimed, statuses, err := p.cfg.DB.Turn(ctx, claims, finishes)
	if err != nil {
		return nil, err
	}
	claimed = inOrder(claims.RenameIDs, claimed)
	out := make([][]turned, len(sites))
	for i, s := range sites {
		out[i] = make([]turned, len(s.turns))
		for j, t := range s.turns {
			if t.claim == 0 {
				out[i][j].status = statuses[t.finish.RenameID]
				continue
			}
			out[i][j].claim, claimed = claimed[0], claimed[1:]
		}
	}
	return out, nil
}

// inOrder returns the claims in the order of ids. An id that the database does not know
// is final: there is nothing to do. So is the second of two equal ids.
func inOrder(ids []int64, claims []db.Claim) []db.Claim {
	byID := make(map[int64]db.Claim, len(claims))
	for _, c := range claims {
		byID[c.RenameID] = c
	}
	out := make([]db.Claim, len(ids))
	for i, id := range ids {
		c, ok := byID[id]
		if !ok {
			c = db.Claim{RenameID: id, Verdict: db.Final}
		}
		delete(byID, id)
		out[i] = c
	}
	return out
}
