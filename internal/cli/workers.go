package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"relabel/jobs"
)

// maxConcurrency is above any limit that Webflow has: 120 a minute.
const maxConcurrency = 1000

// workFlags are the options of commands that work.
type workFlags struct {
	concurrency int
	limits      jobs.Limits
}

func (f *workFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.concurrency, "concurrency", jobs.DefaultConcurrency,
		"at most `N` calls in flight, for each site and process")
	limits := jobs.DefaultLimits()
	cmd.Flags().IntVar(&f.limits.Breaker, "breaker", limits.Breaker,
		"after `N` transient failures in a row only one call every 5 s goes out, until one succeeds; 0: never")
	cmd.Flags().Float64Var(&f.limits.SameFailure, "same-failure", limits.SameFailure,
		"pause a batch when this `SHARE` of its last 200 rows failed for one cause; 0: never")
}

func (f *workFlags) check() error {
	if f.concurrency < 1 || f.concurrency > maxConcurrency {
		return usageError("--concurrency is 1 to %d, not %d", maxConcurrency, f.concurrency)
	}
	if f.limits.Breaker < 0 || f.limits.SameFailure < 0 || f.limits.SameFailure > 1 {
		return usageError("--breaker is 0 or more, --same-failure 0 to 1")
	}
	return nil
}

func (a *app) startPool(ctx context.Context, s *session, sites []jobs.SiteConfig, f workFlags) (*jobs.Pool, error) {
	pool, err := jobs.NewPool(ctx, jobs.Config{
		DB: s.DB, Sites: sites, Concurrency: f.concurrency,
		CallTimeout: a.cfg.CallTimeout, Limits: f.limits, Command: "relabel", Version: Version(), Logger: a.log,
	})
	if err != nil {
		return nil, err
	}
	if err := pool.Start(ctx); err != nil {
		return nil, err
	}
	return pool, nil
}

// stopPool lets calls in flight end: each has its own deadline, so this does
// too. A second signal ends the process at once.
func stopPool(pool *jobs.Pool) error {
	if err := pool.Stop(context.Background()); err != nil {
		return fmt.Errorf("error stopping the workers: %w", err)
	}
	return nil
}
