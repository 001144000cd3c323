// Package schedule owns schedules: a source that a site follows by itself, at the
// times of a cron expression.
//
//   - Times (times.go) turns a cron expression and a time zone into moments, with
//     fixed rules for clock changes.
//   - Runner starts and works the runs. Every worker process has one: New, Attach
//     it to the pool, Start, and Stop before the pool stops.
//   - A look (look.go), every few seconds, reads with one statement which sites need
//     something, and wakes their loops.
//   - A turn (turn.go) of a site starts the schedules that are due, gives jobs to open
//     runs without one, and ends the runs whose batch has ended.
//   - A run (worker.go, run.go) loads the source as a plan, compares it with the
//     site, and applies it, unless too much would change (change.go). failure.go
//     decides what happens after an error.
//
// A change of a schedule's state makes a notice, which package notice delivers. Schedules
// and runs are rows in the database, so each run is started exactly once and any process
// can continue it. River's periodic jobs would not do: they live in the memory of one
// process.
package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/sourcegraph/conc"

	"relabel/db"
	"relabel/jobs"
)

// runsAtOnce is how many runs of a site a process works at the same time. More
// would gain nothing: they share the site's rate limit.
const runsAtOnce = 4

// Config configures a Runner.
type Config struct {
	DB          *db.DB
	Sites       []jobs.SiteConfig
	CallTimeout time.Duration
	Logger      *slog.Logger
	Sources

	// Now is the clock of the schedules; nil: the database's.
	Now func(context.Context) (time.Time, error)

	dbTimeout time.Duration
}

// Runner runs the schedules of the sites that a process works on.
type Runner struct {
	cfg     Config
	client  *jobs.Client
	process string // the process's id

	atOnce semaphore // turns of all sites
	tidies semaphore // tidying up of all sites

	mu      sync.Mutex
	turns   map[int]*siteTurns // by site
	working map[int64]bool     // by run

	stopping context.Context //nolint:containedctx // ends all runs in progress, beside each job's own context
	stop     context.CancelFunc
	loops    conc.WaitGroup
}

// New makes a Runner. Attach it to a pool before the pool starts.
func New(cfg Config) *Runner {
	if cfg.Now == nil {
		cfg.Now = cfg.DB.Now
	}
	if cfg.dbTimeout == 0 {
		cfg.dbTimeout = dbTimeout
	}
	r := &Runner{
		cfg: cfg, turns: map[int]*siteTurns{}, working: map[int64]bool{},
		atOnce: make(semaphore, sitesAtOnce), tidies: make(semaphore, tidyAtOnce),
	}
	r.stopping, r.stop = context.WithCancel(context.Background())
	for _, s := range cfg.Sites {
		r.newTurns(s)
	}
	return r
}

// Queue is the name of the River queue for a site's runs. They have their own,
// because the workers of the renames' queue may all be waiting for the rate limit.
func Queue(site string) string { return "sync-" + site }

// Queues returns the queues that this process works and their workers, for the
// pool. A nil Runner has none.
func (r *Runner) Queues() map[string]int {
	if r == nil {
		return nil
	}
	queues := map[string]int{}
	for _, t := range r.allTurns() {
		maps.Copy(queues, QueuesOf(t.site.Site.Name))
	}
	return queues
}

// QueuesOf returns the queues of one site, for Pool.Add.
func QueuesOf(site string) map[string]int { return map[string]int{Queue(site): runsAtOnce} }

// Kinds registers the worker with the pool. A nil Runner registers one that is
// never given a job.
func (r *Runner) Kinds(workers *river.Workers) error {
	if err := river.AddWorkerSafely(workers, &syncWorker{runner: r}); err != nil {
		return fmt.Errorf("error registering the locale_sync worker: %w", err)
	}
	return nil
}

// Attach connects the runner to a pool, before the pool starts.
func (r *Runner) Attach(pool *jobs.Pool) {
	if r != nil {
		r.client, r.process = pool.Client(), pool.ProcessID()
	}
}

// Start begins to take turns, and returns after the first look (see jobs.Pool.Start). The
// pool must have started.
func (r *Runner) Start(ctx context.Context) {
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(r.stopping, cancel)
	for _, t := range r.allTurns() {
		t.start()
	}
	r.tryLook(ctx)
	r.loops.Go(func() { r.look(run) })
}

// Stop ends the turns and releases the runs in progress, so that another process
// continues them. Call it before the pool's Stop.
func (r *Runner) Stop() {
	r.stop()
	r.loops.Wait()
}

// insert gives runs their jobs, in the transaction.
func (r *Runner) insert(ctx context.Context, tx pgx.Tx, runs []db.QueueRun) error {
	if len(runs) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(runs))
	for i, run := range runs {
		params[i] = river.InsertManyParams{
			Args: SyncArgs{RunID: run.RunID}, InsertOpts: &river.InsertOpts{Queue: Queue(run.Site), MaxAttempts: 1},
		}
	}
	inserted, err := r.client.InsertManyTx(ctx, tx, params)
	if err != nil {
		return fmt.Errorf("error inserting %d jobs: %w", len(params), err)
	}
	ids := make([]int64, len(inserted))
	for i, j := range inserted {
		ids[i] = j.Job.ID
	}
	return db.MakeDue(ctx, tx, Queue(runs[0].Site), ids) // all are of one site
}

// begin marks a run as worked by this process; false if it is already.
func (r *Runner) begin(run int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.working[run] {
		return false
	}
	r.working[run] = true
	return true
}

func (r *Runner) end(run int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.working, run)
}

func (r *Runner) workingRuns() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.working))
}
