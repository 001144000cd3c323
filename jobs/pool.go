package jobs

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/riverqueue/river"
	"github.com/sourcegraph/conc"
	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/metrics"
	"relabel/internal/throttle"
	"relabel/internal/webflow"
)

// DefaultConcurrency is the number of workers for each site of a process. Calls in
// flight are rate times latency: one at 2/s and 0.5 s. 16 make a burst quick, and four
// processes then hold no more than 64 waiting jobs.
const DefaultConcurrency = 16

// SiteConfig is a site to work, with the client of its token.
type SiteConfig struct {
	Site   db.Site
	Client *webflow.Client
	Lane   db.LaneSettings

	Metrics *metrics.Site // nil: nothing is counted
}

// Config of a Pool.
type Config struct {
	DB          *db.DB
	Sites       []SiteConfig
	Concurrency int           // calls in flight a site; 0: 16
	CallTimeout time.Duration // one call's deadline
	Window      int           // renames of a site with a job; 0: 10,000
	Limits      Limits
	Times       Times  // 0: the defaults
	Command     string // for the process row
	Version     string
	Logger      *slog.Logger

	// Kinds registers the workers of other kinds of jobs. Queues are the queues of those
	// kinds that this process works, with their number of workers. Every process
	// registers all kinds: River's leader discards jobs of a kind that it does not know.
	Kinds  func(*river.Workers) error
	Queues map[string]int
}

// Limits say when failures stop more than their own row. 0 turns a limit off, and so does 1
// for SameFailure.
type Limits struct {
	Breaker int // transient failures in a row, on a site, that open its breaker

	// SameFailure pauses a batch if more than this share of its last 200 rows that this
	// process ended failed for one cause.
	SameFailure float64
}

// DefaultLimits are the limits unless a flag says otherwise: twenty failures in a row
// are no accident, and a cause that fails every second row needs a person.
func DefaultLimits() Limits { return Limits{Breaker: 20, SameFailure: 0.5} }

// Pool is the workers of one process: the River client, a lane for each token, and for
// each site a feeder, its batcher and its parker; and the heartbeat.
type Pool struct {
	cfg     Config
	process db.Process
	worker  *renameWorker
	client  *Client
	queues  *queues
	lanes   map[string]*laneRun           // by token
	turns   *batcher[siteTurns, []turned] // of all sites
	log     *laneLog

	background conc.WaitGroup
	cancel     context.CancelFunc
	stopOnce   sync.Once

	changing sync.Mutex      // guards lanes and run
	run      context.Context //nolint:containedctx // of the background; nil before Start and after Stop
}

// siteRun is what working one site takes.
type siteRun struct {
	site        db.Site
	fingerprint string // of its token
	client      *webflow.Client
	lane        *throttle.Lane
	feeder      *feeder
	turns       *batcher[turn, turned] // claims and finishes
	gate        *gate
	places      places
	parker      *parker
	absence     *absence
	metrics     *metrics.Site

	gone    context.Context //nolint:containedctx // ends waits for grants when the site is removed
	remove  context.CancelFunc
	ended   conc.WaitGroup  // of the site's own goroutines
	running context.Context //nolint:containedctx // of those
	end     context.CancelFunc
}

// laneRun is a lane at work, for the sites of one token.
type laneRun struct {
	*throttle.Lane

	sites int
	end   context.CancelFunc
}

// NewPool wires a pool; Start runs it. It reads the database's clock once.
func NewPool(ctx context.Context, cfg Config) (*Pool, error) {
	cfg.Concurrency = cmp.Or(cfg.Concurrency, DefaultConcurrency)
	cfg.Window = cmp.Or(cfg.Window, DefaultWindow)
	cfg.Times = cfg.Times.orDefault()
	host, _ := os.Hostname()
	p := &Pool{cfg: cfg, lanes: map[string]*laneRun{}, process: db.Process{
		ID: uuid.NewString(), Command: cfg.Command, Version: cfg.Version, Host: host, PID: os.Getpid(),
	}}
	p.worker, p.log = p.newWorker(), newLaneLog(cfg.DB)
	p.turns = newBatcher(sitesTogether, patient(p.turnTogether))
	p.queues = newQueues(p.queueWorkers())
	skew, err := cfg.DB.Skew(ctx)
	if err != nil {
		return nil, err
	}
	if skew.Abs() > maxLeaderSkew {
		cfg.Logger.Warn("this machine's clock differs from the database's: it will not lead the workers; set it right", "by", skew)
	}
	p.client, err = newWorkClient(clientParams{
		db: cfg.DB, processID: p.process.ID, log: cfg.Logger,
		worker: p.worker, kinds: cfg.Kinds, queues: p.queues,
		mayLead: skew.Abs() <= maxLeaderSkew,
	})
	if err != nil {
		return nil, err
	}
	p.queues.bundle = p.client.Queues()
	for _, s := range cfg.Sites {
		p.worker.sites.add(p.newSiteRun(s))
	}
	return p, nil
}

// queueWorkers returns the queues to begin with, and the number of their workers.
func (p *Pool) queueWorkers() map[string]int {
	workers := maps.Clone(p.cfg.Queues)
	if workers == nil {
		workers = map[string]int{}
	}
	for _, s := range p.cfg.Sites {
		workers[s.Site.Queue()] = s.workers(p.cfg.Concurrency)
	}
	return workers
}

func (p *Pool) newWorker() *renameWorker {
	return &renameWorker{
		log: p.cfg.Logger, processID: p.process.ID, callTimeout: p.cfg.CallTimeout, leaseMargin: p.cfg.Times.LeaseMargin,
		sites: newMembers(), db: p.cfg.DB, watch: newFailureWatch(p.cfg.Limits.SameFailure),
		running: newJobsAtWork(),
	}
}

// counted hands in the turns of a site, and counts those that succeed.
func (p *Pool) counted(s SiteConfig) func(context.Context, []turn) ([]turned, error) {
	return func(ctx context.Context, turns []turn) ([]turned, error) {
		began, claims := time.Now(), 0
		for _, t := range turns {
			if t.claim != 0 {
				claims++
			}
		}
		out, err := p.turnOf(ctx, siteTurns{s.Site.ID, s.Lane.Fingerprint, turns})
		if err == nil {
			s.Metrics.Turn(claims, len(turns)-claims, time.Since(began))
		}
		return out, err
	}
}

func (p *Pool) newSiteRun(s SiteConfig) *siteRun {
	own := newGate()
	run := &siteRun{
		site: s.Site, fingerprint: s.Lane.Fingerprint, client: s.Client, lane: p.lane(s.Lane.Fingerprint), gate: own,
		places: places{taken: make(chan struct{}, p.cfg.Concurrency), stopping: own.stopping},
		turns:  newBatcher(maxTogether, p.counted(s)), metrics: s.Metrics,
		feeder: newFeeder(feederConfig{
			db: p.cfg.DB, client: p.client, site: s.Site, lane: s.Lane.Fingerprint, window: windowOf(p.cfg.Window, len(p.cfg.Sites)),
			process: p.process.ID, running: p.worker.running, times: p.cfg.Times, log: p.cfg.Logger, metrics: s.Metrics,
		}),
		parker: newParker(parkerConfig{
			db: p.cfg.DB, site: s.Site, fingerprint: s.Lane.Fingerprint, gate: own, log: p.cfg.Logger,
			gates: func() []*gate { return p.worker.sites.gates(s.Lane.Fingerprint) },
		}),
	}
	run.absence = &absence{parker: run.parker, queues: p.queues, begun: make(chan struct{}, 1)}
	run.gone, run.remove = context.WithCancel(context.Background())
	return run
}

// lane returns the lane of a token, which its sites share.
func (p *Pool) lane(fingerprint string) *throttle.Lane {
	lane, ok := p.lanes[fingerprint]
	if !ok {
		lane = &laneRun{Lane: throttle.New(throttle.Config{
			Log: p.log, Lane: fingerprint, ProcessID: p.process.ID, Hold: p.worker.lease(), Logger: p.cfg.Logger,
		})}
		p.lanes[fingerprint] = lane
	}
	lane.sites++
	return lane.Lane
}

// Client is the pool's River client, to load with.
func (p *Pool) Client() *Client { return p.client }

// Idle gets a value when the last job that this process was running has ended and its
// outcome is stored. So a reader of progress need not wait for its next poll.
func (p *Pool) Idle() <-chan struct{} { return p.worker.running.idle }

// ProcessID is the pool's id in the tables.
func (p *Pool) ProcessID() string { return p.process.ID }

// Start registers the process and begins to work. It returns when the workers run and the
// feed has looked once, or with an error. If all that a worker does began at once, each part
// would open a connection for its first statement.
func (p *Pool) Start(ctx context.Context) error {
	if err := p.ensureLanes(ctx); err != nil {
		return err
	}
	if err := p.cfg.DB.ForgetGrants(ctx); err != nil {
		return err
	}
	if err := p.beatOnce(ctx); err != nil {
		return err
	}
	sites, lanes := p.worker.sites.tokens()
	if err := p.cfg.DB.UnparkForTokens(ctx, sites, lanes); err != nil { // after the beat: who parks for another token sees that this one goes on
		return err
	}
	p.run, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	p.startBackground(p.run)
	if err := p.client.Start(p.run); err != nil {
		p.endBackground(ctx)
		return fmt.Errorf("error starting the workers: %w", err)
	}
	p.startFeeding(ctx, p.run)
	return nil
}

// lanesAtOnce is how many lanes a start sets up at the same time. For a thousand sites, one
// after the other takes thousands of round trips: over a minute on a busy machine.
const lanesAtOnce = 8

// ensureLanes sets up the lanes of the first sites. It returns the first error.
func (p *Pool) ensureLanes(ctx context.Context) error {
	lanes := pool.New().WithContext(ctx).WithCancelOnError().WithFirstError().WithMaxGoroutines(lanesAtOnce)
	for _, s := range p.cfg.Sites {
		lanes.Go(func(ctx context.Context) error { return p.cfg.DB.EnsureLane(ctx, s.Site.ID, s.Lane) })
	}
	return lanes.Wait() //nolint:wrapcheck // EnsureLane's own
}

func (p *Pool) startBackground(ctx context.Context) {
	p.background.Go(func() { p.turns.run(ctx, turnsAtOnce) })
	p.background.Go(func() { p.log.grants.run(ctx, grantsAtOnce) })
	p.background.Go(func() { p.log.seen.run(ctx, 1) })
	for _, lane := range p.lanes {
		p.startLane(ctx, lane)
	}
	for _, s := range p.worker.sites.all() {
		s.start(ctx)
	}
	p.background.Go(func() { p.beat(ctx) })
}

func (p *Pool) startLane(ctx context.Context, lane *laneRun) {
	ctx, lane.end = context.WithCancel(ctx)
	p.background.Go(func() { lane.Run(ctx) })
}

// start begins all of a site but its feed.
func (s *siteRun) start(ctx context.Context) {
	s.running, s.end = context.WithCancel(ctx)
	ctx = s.running
	s.ended.Go(func() { s.turns.run(ctx, 1) })
	s.ended.Go(func() { s.parker.run(ctx) })
	s.ended.Go(func() { s.absence.run(ctx) })
}

// startFeeding begins when the workers run. A process whose start fails takes no jobs from
// others, and one that stands still in a feed has started.
func (p *Pool) startFeeding(ctx, run context.Context) {
	for _, s := range p.worker.sites.all() {
		s.ended.Go(func() { s.feeder.run(s.running) })
	}
	p.tryLook(ctx, false)
	p.background.Go(func() { p.look(run) })
}

func (p *Pool) beat(ctx context.Context) {
	tick := time.NewTicker(p.cfg.Times.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := p.beatOnce(ctx); err != nil && ctx.Err() == nil {
				p.cfg.Logger.Warn("the heartbeat waits for the database", "error", err)
			}
		}
	}
}

// beatOnce does not wait for a dead connection: the next beat uses another one.
func (p *Pool) beatOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	process := p.process
	process.Sites, process.Lanes = p.worker.sites.tokens()
	return p.cfg.DB.Beat(ctx, process)
}

// Stop makes no new calls, waits for those in flight, and removes the process's row. If
// ctx ends first it cuts the calls in flight; their renames continue elsewhere. It may
// be called more than once.
func (p *Pool) Stop(ctx context.Context) error {
	var err error
	p.stopOnce.Do(func() {
		p.changing.Lock()
		p.run = nil // the sites change no more
		p.changing.Unlock()
		for _, lane := range p.lanes {
			lane.Stop()
		}
		for _, s := range p.worker.sites.all() {
			s.gate.stop()
		}
		if err = p.client.Stop(ctx); err != nil {
			now, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStopTime)
			defer cancel()
			err = p.client.StopAndCancel(now)
		}
		p.endBackground(ctx)
	})
	return err
}

// hardStopTime is how long a hard stop waits for the workers to notice.
const hardStopTime = 3 * time.Second

func (p *Pool) endBackground(ctx context.Context) {
	if p.cancel == nil {
		return // it never started
	}
	p.cancel()
	p.background.Wait()
	for _, s := range p.worker.sites.all() {
		s.ended.Wait()
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), hardStopTime)
	defer cancel()
	if err := p.cfg.DB.EndProcess(end, p.process.ID); err != nil {
		p.cfg.Logger.Warn("the process's row stays until it is forgotten", "error", err)
	}
}
