package schedule

import (
	"context"
	"time"

	"relabel/internal/schedule/scheduledb"
)

// look asks every few seconds what the schedules need, and wakes the loops that do it.
// One statement serves all sites, so a site without runs costs nothing. The first look is
// Start's.
func (r *Runner) look(ctx context.Context) {
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.tryLook(ctx)
	}
}

func (r *Runner) tryLook(ctx context.Context) {
	if err := r.lookOnce(ctx); err != nil && ctx.Err() == nil {
		r.cfg.Logger.Warn("schedules wait for the database", "error", err)
	}
}

func (r *Runner) lookOnce(ctx context.Context) error {
	needs, err := dbCall(ctx, r, func(ctx context.Context) ([]scheduledb.Needs, error) {
		return scheduledb.ReadNeeds(ctx, r.cfg.DB, r.Sites())
	})
	if err != nil || len(needs) == 0 {
		return err
	}
	now, err := dbCall(ctx, r, r.cfg.Now)
	if err != nil {
		return err
	}
	for _, n := range needs {
		if t := r.turnsOf(n.Site); t != nil {
			r.wakeFor(t, n, now)
		}
	}
	return nil
}

// wakeFor wakes the turns of a site also when a schedule is due before the next look:
// the turn then waits for the very moment.
func (r *Runner) wakeFor(t *siteTurns, n scheduledb.Needs, now time.Time) {
	if n.Runs || n.DueAt != nil && n.DueAt.Sub(now) < turnEvery {
		wake(t.wake)
	}
	if n.Tidy {
		wake(t.tidyWake)
	}
}

// wake wakes the loop that waits on a channel with one slot.
func wake(loop chan<- struct{}) {
	select {
	case loop <- struct{}{}:
	default: // it is awake already
	}
}
