package schedule

import (
	"context"
	"time"

	"github.com/sourcegraph/conc/pool"

	"relabel/db"
)

// tidyAll tidies up after the runs of a site until ctx ends. It is apart from the
// turns, as it may take long: a plan of millions of rows, or as many rows to thin.
func (t *siteTurns) tidyAll(ctx context.Context) {
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		if err := t.tidy(ctx); err != nil && ctx.Err() == nil {
			t.runner.cfg.Logger.Warn("earlier runs are not tidied up yet", "site", t.site.Site.Name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tidy goes on piece by piece, each a short transaction, until nothing is left.
func (t *siteTurns) tidy(ctx context.Context) error {
	var at db.Thinning
	for more := true; more; {
		var err error
		if at, more, err = t.tidyPiece(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

func (t *siteTurns) tidyPiece(ctx context.Context, at db.Thinning) (next db.Thinning, more bool, err error) {
	leave, err := t.tidies.take(ctx)
	if err != nil {
		return at, false, err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, t.runner.cfg.tripTime)
	defer cancel()
	return t.runner.cfg.DB.TidyRuns(ctx, t.site.Site.ID, at)
}

// Tidy does once what the loops beside the turns do.
func (r *Runner) Tidy(ctx context.Context) error {
	all := pool.New().WithErrors()
	for _, t := range r.turns {
		all.Go(func() error { return t.tidy(ctx) })
	}
	return all.Wait()
}
