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

const (
	// turnEvery bounds how late a run is started, ended or recovered; a turn is a
	// few look-ups a site.
	turnEvery = 5 * time.Second

	// turnBusy is how soon the end of a run's batch is noticed.
	turnBusy = time.Second

	// turnAtOnce keeps a turn that another process is just taking from being asked
	// for without end.
	turnAtOnce = 250 * time.Millisecond

	// runsAtOnce is how many runs of a site a process works at: they read in turn
	// anyway, by the site's limit.
	runsAtOnce = 4

	// onTime is how late a run may start without being made up for.
	onTime = time.Minute
)

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
}

// Runner runs the schedules of the sites that a process works.
type Runner struct {
	cfg     Config
	sites   map[int]jobs.SiteConfig
	ids     []int
	client  *jobs.Client
	process string // its id

	mu      sync.Mutex
	working map[int64]bool // runs

	wake     chan struct{}
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
	r := &Runner{cfg: cfg, sites: map[int]jobs.SiteConfig{}, working: map[int64]bool{}, wake: make(chan struct{}, 1)}
	for _, s := range cfg.Sites {
		r.sites[s.Site.ID] = s
		r.ids = append(r.ids, s.Site.ID)
	}
	r.stopping, r.stop = context.WithCancel(context.Background())
	return r
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
	r.loops.Go(func() { r.takeTurns(ctx) })
	r.loops.Go(func() { r.notify(ctx) })
}

// Stop ends the turns, and leaves runs under way to go on elsewhere. It comes
// before the pool's.
func (r *Runner) Stop() {
	r.stop()
	r.loops.Wait()
}

func (r *Runner) takeTurns(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := r.Turn(ctx)
		if err != nil && ctx.Err() == nil {
			r.cfg.Logger.Warn("schedules wait for the database", "error", err)
			wait = turnEvery
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// soon asks for a turn: something has become of a run.
func (r *Runner) soon() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Turn starts what is due and brings runs on; it tells how long the next turn may
// wait.
func (r *Runner) Turn(ctx context.Context) (time.Duration, error) {
	now, err := r.cfg.Now(ctx)
	if err != nil {
		return 0, err
	}
	_, err = r.cfg.DB.StartDue(ctx, db.StartDueParams{
		SiteIDs: r.ids, Now: now, Queue: r.insert,
		Judge: func(s db.Schedule, due time.Time) db.Occurrence { return r.judge(s, due, now) },
	})
	if err != nil {
		return 0, err
	}
	most := turnEvery
	for _, s := range r.cfg.Sites {
		busy, err := r.cfg.DB.TendRuns(ctx, db.TendParams{
			SiteID: s.Site.ID, Now: now, ProcessID: r.process, Working: r.list(), Stale: jobs.DefaultTimes().Stale,
			Kind: SyncArgs{}.Kind(), JobQueue: Queue(s.Site.Name), Queue: r.insert,
		})
		if err != nil {
			return 0, err
		}
		if busy {
			most = turnBusy
		}
	}
	next, err := r.cfg.DB.NextDue(ctx, r.ids)
	if err != nil || next == nil {
		return most, err
	}
	return min(max(next.Sub(now), turnAtOnce), most), nil
}

func (r *Runner) judge(s db.Schedule, due, now time.Time) db.Occurrence {
	times, err := ParseTimes(s.Cron, s.TimeZone)
	if err != nil { // a zone that this machine's binary does not know
		r.cfg.Logger.Error("the schedule can't go on; `relabel schedule edit` changes its times", "schedule", s.Name, "error", err)
		return db.Occurrence{Missed: 1, MissedFrom: due}
	}
	return judge(times, s.CatchUp, due, now)
}

// judge decides what becomes of a schedule that has been due since a moment: its
// last moment is run, if that is not too long ago, and all before it were missed.
func judge(times *Times, catchUp time.Duration, due, now time.Time) db.Occurrence {
	last, n := times.latest(due, now)
	next := times.Next(now)
	if times.every > 0 {
		next = last.Add(times.every)
	}
	o := db.Occurrence{MissedFrom: due, Missed: n}
	if !next.IsZero() {
		o.Next = &next
	}
	if now.Sub(last) <= max(catchUp, onTime) {
		o.Run, o.Missed = &last, n-1
	}
	return o
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
