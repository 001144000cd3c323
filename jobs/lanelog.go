package jobs

import (
	"context"
	"errors"

	"relabel/db"
	"relabel/internal/throttle"
)

const (
	// lanesTogether bounds the lanes that share a statement: their rows are locked until
	// it commits.
	lanesTogether = 256

	// grantsAtOnce is how many such statements run at the same time: a second one goes on
	// while the first waits for a locked lane.
	grantsAtOnce = 2
)

// laneLog lets the lanes of a process share statements. Each lane waits for its answer
// before it asks again.
type laneLog struct {
	*db.DB

	grants *batcher[db.GrantParams, laneGrants]
	seen   *batcher[laneSeen, struct{}]
}

// laneGrants answers a lane.
type laneGrants struct {
	db.Grants

	known bool // there is such a lane
}

// laneSeen is what answers said about the limit of a lane.
type laneSeen struct {
	lane string
	list []db.Observation
}

func newLaneLog(d *db.DB) *laneLog {
	l := &laneLog{DB: d}
	l.grants = newBatcher(lanesTogether, l.grantAll)
	l.seen = newBatcher(lanesTogether, l.observeAll)
	return l
}

// Grant implements throttle.Log.
func (l *laneLog) Grant(ctx context.Context, p db.GrantParams) (db.Grants, error) {
	shared := p
	shared.LockTime = sharedLockTime
	got, err := l.grants.do(ctx, shared)
	if errors.Is(err, db.ErrHeldUp) {
		return l.DB.Grant(ctx, p)
	}
	if err == nil && !got.known {
		err = db.LaneGoneError(p.Lane)
	}
	return got.Grants, err
}

// grantAll gives each lane's grants to its last request: an earlier one has been given up.
func (l *laneLog) grantAll(ctx context.Context, ps []db.GrantParams) ([]laneGrants, error) {
	ctx, cancel := throttle.LogContext(ctx)
	defer cancel()
	all, err := l.GrantAll(ctx, ps)
	if err != nil {
		return nil, err
	}
	out := make([]laneGrants, len(ps))
	for i := len(ps) - 1; i >= 0; i-- {
		out[i].Grants, out[i].known = all[ps[i].Lane]
		delete(all, ps[i].Lane)
	}
	return out, nil
}

// Observe implements throttle.Log. A lane that ends later than the batcher reports by
// itself.
func (l *laneLog) Observe(ctx context.Context, lane string, seen []db.Observation) error {
	_, err := l.seen.do(ctx, laneSeen{lane, seen})
	if errors.Is(err, errBatcherStopped) {
		return l.DB.Observe(ctx, lane, seen)
	}
	return err
}

func (l *laneLog) observeAll(ctx context.Context, all []laneSeen) ([]struct{}, error) {
	ctx, cancel := throttle.LogContext(ctx)
	defer cancel()
	seen := map[string][]db.Observation{}
	for _, one := range all {
		seen[one.lane] = append(seen[one.lane], one.list...)
	}
	return make([]struct{}, len(all)), l.ObserveAll(ctx, seen)
}
