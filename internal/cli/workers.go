package cli

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"relabel/internal/retention"
	"relabel/internal/schedule"
	"relabel/internal/text"
	"relabel/jobs"
)

// maxConcurrency is far above Webflow's highest limit, 120 calls a minute.
const maxConcurrency = 1000

// workFlags are the flags of commands that run workers.
type workFlags struct {
	concurrency int
	limits      jobs.Limits
	archive     string // of what --keep deletes; empty: none
}

func (f *workFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.concurrency, "concurrency", jobs.DefaultConcurrency,
		"at most `N` calls in flight, for each site and process")
	limits := jobs.DefaultLimits()
	cmd.Flags().IntVar(&f.limits.Breaker, "breaker", limits.Breaker,
		"after `N` transient failures in a row make only one call every 5 s, until one succeeds; 0: never")
	cmd.Flags().Float64Var(&f.limits.SameFailure, "same-failure", limits.SameFailure,
		"pause a batch if more than this `SHARE` of its last 200 rows that this process ended failed for the same cause; 0 or 1: never")
}

func (f *workFlags) check() error {
	if f.concurrency < 1 || f.concurrency > maxConcurrency {
		return usageError("--concurrency is 1 to %s, not %d", text.Number(maxConcurrency), f.concurrency)
	}
	if f.limits.Breaker < 0 || f.limits.SameFailure < 0 || f.limits.SameFailure > 1 {
		return usageError("--breaker is 0 or more, --same-failure 0 to 1")
	}
	return nil
}

// startPool starts workers that send what is queued, but run no schedules.
func (a *app) startPool(ctx context.Context, s *session, sites []jobs.SiteConfig, f workFlags) (*jobs.Pool, error) {
	return a.startPoolWith(ctx, s, sites, f, nil)
}

// startWork starts workers that also run the sites' schedules.
func (a *app) startWork(ctx context.Context, s *session, sites []jobs.SiteConfig, f workFlags) (*workers, error) {
	if f.archive != "" { // a wrong folder shows now, not in the night
		if _, err := retention.NewArchive(f.archive, time.Now()); err != nil {
			return nil, err
		}
	}
	runner := schedule.New(schedule.Config{
		DB: s.DB, Sites: sites, CallTimeout: a.cfg.CallTimeout, Sources: a.sources(), Logger: a.log,
	})
	pool, err := a.startPoolWith(ctx, s, sites, f, runner)
	if err != nil {
		return nil, err
	}
	runner.Start(ctx)
	keeper := retention.StartKeeper(ctx, retention.KeeperConfig{
		DB: s.DB, Sites: runner.Sites, Who: actor().Name, Archive: f.archive, Logger: a.log,
	})
	return &workers{pool: pool, schedules: runner, keeper: keeper, unfollow: func() {}}, nil
}

func (a *app) startPoolWith(ctx context.Context, s *session, sites []jobs.SiteConfig, f workFlags, runner *schedule.Runner) (*jobs.Pool, error) {
	a.collectLess(sites, f)
	pool, err := jobs.NewPool(ctx, jobs.Config{
		DB: s.DB, Sites: sites, Concurrency: f.concurrency,
		CallTimeout: a.cfg.CallTimeout, Limits: f.limits, Command: "relabel", Version: Version(), Logger: a.log,
		Kinds: runner.Kinds, Queues: runner.Queues(),
	})
	if err != nil {
		return nil, err
	}
	runner.Attach(pool)
	if err := pool.Start(ctx); err != nil {
		return nil, err
	}
	return pool, nil
}

// fastGC is the garbage collector's GOGC in a process with a fast site. Its heap is a few
// MB, but each job has a goroutine whose stack a collection must scan: at Go's default of
// 100 that took a fifth of the CPU time.
const fastGC = 400

// collectLess sets fastGC if a site is fast and the user has not set GOGC.
func (a *app) collectLess(sites []jobs.SiteConfig, f workFlags) {
	fast := func(s jobs.SiteConfig) bool { return s.Fast(f.concurrency) }
	if _, set := a.LookupEnv("GOGC"); !set && slices.ContainsFunc(sites, fast) {
		debug.SetGCPercent(fastGC)
	}
}

// workers are a pool, the runner of its schedules, and what deletes what sites need not keep.
type workers struct {
	pool      *jobs.Pool
	schedules *schedule.Runner
	keeper    *retention.Keeper
	unfollow  func() // ends changes of the sites
}

func (a *app) stopWork(w *workers) error {
	w.unfollow()
	w.keeper.Stop()
	w.schedules.Stop()
	return a.stopPool(w.pool)
}

// stopPool waits for the calls in flight. Each has its own deadline, so the wait
// ends. A second signal ends the process at once.
func (a *app) stopPool(pool *jobs.Pool) error {
	label := "stopping: waiting for the calls in flight, at most " + text.Span(a.cfg.CallTimeout)
	err := a.during(context.Background(), label, func() error { return pool.Stop(context.Background()) })
	if err != nil {
		return fmt.Errorf("error stopping the workers: %w", err)
	}
	return nil
}
