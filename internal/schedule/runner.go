// Package schedule owns schedules: when they are due, the steps of a run, and
// telling somebody what has become of one.
//
// Schedules and runs are rows. A turn in every worker process starts what is due,
// gives jobs to runs that have none, and ends runs whose batch has ended; River's
// periodic jobs, which live in one process's memory, are not used.
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

// runsAtOnce is how many runs of a site a process works at: they read in turn
// anyway, by the site's limit.
const runsAtOnce = 4

// Config of a Runner.
type Config struct {
	DB          *db.DB
	Sites       []jobs.SiteConfig
	CallTimeout time.Duration
	LookupEnv   func(string) (string, bool)
	Logger      *slog.Logger

	// Now is the clock that schedules go by; nil: the database's.
	Now func(context.Context) (time.Time, error)

	maxSource     int64
	sourceTimeout time.Duration
	tripTime      time.Duration
}

// Runner runs the schedules of the sites that a process works.
type Runner struct {
	cfg     Config
	sites   map[int]jobs.SiteConfig
	ids     []int
	turns   []*siteTurns
	client  *jobs.Client
	process string // its id

	mu      sync.Mutex
	working map[int64]bool // runs

	stopping context.Context //nolint:containedctx // ends the runs under way, each beside its job's context
	stop     context.CancelFunc
	loops    conc.WaitGroup
}

// New makes a Runner. Attach it to a pool before that starts.
func New(cfg Config) *Runner {
	if cfg.Now == nil {
		cfg.Now = cfg.DB.Now
	}
	if cfg.maxSource == 0 {
		cfg.maxSource, cfg.sourceTimeout = maxSource, sourceTimeout
	}
	if cfg.tripTime == 0 {
		cfg.tripTime = tripTime
	}
	r := &Runner{cfg: cfg, sites: map[int]jobs.SiteConfig{}, working: map[int64]bool{}}
	atOnce, tidies := make(places, sitesAtOnce), make(places, tidyAtOnce)
	for _, s := range cfg.Sites {
		r.sites[s.Site.ID] = s
		r.ids = append(r.ids, s.Site.ID)
		r.turns = append(r.turns, &siteTurns{runner: r, site: s, wake: make(chan struct{}, 1), atOnce: atOnce, tidies: tidies})
	}
	r.stopping, r.stop = context.WithCancel(context.Background())
	return r
}

// tokens are those of the sites, by fingerprint.
func (r *Runner) tokens() map[int]string {
	tokens := map[int]string{}
	for id, s := range r.sites {
		tokens[id] = s.Lane.Fingerprint
	}
	return tokens
}

// Queue is the name of the River queue for a site's runs: apart from the
// renames', which wait for grants in all of their workers.
func Queue(site string) string { return "sync-" + site }

// Queues are those that this process works, for the pool; a nil Runner works none.
func (r *Runner) Queues() map[string]int {
	if r == nil {
		return nil
	}
	queues := map[string]int{}
	for _, s := range r.sites {
		queues[Queue(s.Site.Name)] = runsAtOnce
	}
	return queues
}

// Kinds registers the worker, for the pool. A nil Runner's is known and never
// works.
func (r *Runner) Kinds(workers *river.Workers) error {
	if err := river.AddWorkerSafely(workers, &syncWorker{runner: r}); err != nil {
		return fmt.Errorf("error registering the locale_sync worker: %w", err)
	}
	return nil
}

// Attach makes the runner part of a pool, before that starts.
func (r *Runner) Attach(pool *jobs.Pool) {
	if r != nil {
		r.client, r.process = pool.Client(), pool.ProcessID()
	}
}

// Start begins to take turns, once the pool has started.
func (r *Runner) Start(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(r.stopping, cancel)
	for _, t := range r.turns {
		r.loops.Go(func() { t.takeAll(ctx) })
		r.loops.Go(func() { t.tidyAll(ctx) })
	}
	r.loops.Go(func() { r.notify(ctx) })
}

// Stop ends the turns, and leaves runs under way to go on elsewhere. It comes
// before the pool's.
func (r *Runner) Stop() {
	r.stop()
	r.loops.Wait()
}

// insert gives runs their jobs, within tx.
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
	return db.MakeDue(ctx, tx, ids)
}

// begin notes that this process works at a run; false: it does already.
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

func (r *Runner) list() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.working))
}
