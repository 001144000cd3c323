package schedule

import (
	"context"

	"github.com/sourcegraph/conc/pool"

	"relabel/internal/schedule/scheduledb"
)

// tidyAll tidies up after the runs of a site until ctx ends: it discards replaced
// plans and thins earlier runs. It has a loop of its own because millions of rows
// would hold up the turns.
func (t *siteTurns) tidyAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.tidyWake:
		}
		if err := t.tidy(ctx); err != nil && ctx.Err() == nil {
			t.runner.cfg.Logger.Warn("earlier runs could not be tidied up; relabel tries again", "site", t.site.Site.Name, "error", err)
		}
	}
}

// tidy works in short transactions until nothing is left.
func (t *siteTurns) tidy(ctx context.Context) error {
	var at scheduledb.Thinning
	for more := true; more; {
		var err error
		if at, more, err = t.tidyPiece(ctx, at); err != nil {
			return err
		}
	}
	return nil
}

func (t *siteTurns) tidyPiece(ctx context.Context, at scheduledb.Thinning) (next scheduledb.Thinning, more bool, err error) {
	release, err := t.tidies.acquire(ctx)
	if err != nil {
		return at, false, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, t.runner.cfg.dbTimeout)
	defer cancel()
	return scheduledb.TidyRuns(ctx, t.runner.cfg.DB, t.site.Site.ID, at)
}

// Tidy tidies up each site once, as the loops do again and again.
func (r *Runner) Tidy(ctx context.Context) error {
	all := pool.New().WithErrors()
	for _, t := range r.allTurns() {
		all.Go(func() error { return t.tidy(ctx) })
	}
	return all.Wait()
}
