package throttle

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"relabel/db"
)

// simProcess is one process: a real Lane, its workers, and its connection to the log,
// where every kind of failure happens.
type simProcess struct {
	*model
	s       *simulation
	name    uint64
	lane    *Lane
	stops   bool // it is stopped (SIGSTOP) now and then
	dead    atomic.Bool
	stopped atomic.Int64 // until then nothing of it runs; in Unix nanoseconds

	mu  sync.Mutex
	rng *rand.Rand // of its trips to the log
}

var errSim = errors.New("the database does not answer")

func newSimProcess(s *simulation) *simProcess {
	p := &simProcess{model: s.log, s: s, name: s.names.Add(1) * 1000}
	p.rng = s.rng(p.name)
	p.lane = New(Config{
		Log: p, Lane: "lane", ProcessID: "process", Hold: s.hold, Logger: slog.New(slog.DiscardHandler),
	})
	return p
}

// live works until ctx ends. Then it stops in good order, unless p is dead.
func (p *simProcess) live(ctx context.Context) {
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var lane, workers sync.WaitGroup
	lane.Go(func() { p.lane.Run(run) })
	for i := range p.s.workers {
		rng := p.s.rng(p.name + uint64(i) + 1)
		workers.Go(func() {
			for p.work(ctx, rng) {
			}
		})
	}
	if p.stops {
		workers.Go(func() { p.stopAndGo(ctx) })
	}
	<-ctx.Done()
	p.lane.Stop()
	workers.Wait()
	stop()
	lane.Wait()
}

func (p *simProcess) stopAndGo(ctx context.Context) {
	rng := p.s.rng(p.name + 999)
	for ctx.Err() == nil {
		nap(ctx, time.Duration(rng.ExpFloat64()*float64(2*p.s.window)))
		p.stop(rng)
	}
}

// stop is SIGSTOP, and later SIGCONT, when the held grants may have expired.
func (p *simProcess) stop(rng *rand.Rand) {
	p.stopped.Store(time.Now().Add(upTo(rng, 2*(p.s.hold+p.s.window))).UnixNano())
}

// goOn waits for d, and longer while the process is stopped. It reports whether the
// process is alive.
func (p *simProcess) goOn(d time.Duration) bool {
	if d > 0 {
		pass(d)
	}
	for {
		left := time.Until(time.Unix(0, p.stopped.Load()))
		if left <= 0 || p.dead.Load() {
			return !p.dead.Load()
		}
		pass(left)
	}
}

// work does one job: grant, claim, call, finish. It reports whether there are more.
func (p *simProcess) work(ctx context.Context, rng *rand.Rand) bool {
	g, err := p.lane.Acquire(ctx)
	if p.stops && rng.Float64() < 0.02 { // the worst moment
		p.stop(rng)
	}
	if err != nil || !p.goOn(upTo(rng, p.s.trip)) {
		return false
	}
	if rng.Float64() < p.s.release || g.Deadline.Passed() {
		p.lane.Release(g)
		return true
	}
	half, sent := upTo(rng, p.s.latency/2), time.Now()
	pass(half) // on its way nothing stops it
	a := p.s.server.call(true)
	pass(half)
	if !p.goOn(0) {
		return false
	}
	if !a.ok {
		p.lane.Block(a.reset.Truncate(time.Second) + time.Second)
	}
	if !p.finish(g, rng) {
		return false
	}
	p.lane.Observe(Headers{Limit: a.limit, Remaining: a.remaining, SentAt: sent, Refused: !a.ok})
	return p.goOn(0)
}

// finish settles the grant, as soon as the database answers.
func (p *simProcess) finish(g Grant, rng *rand.Rand) bool {
	answered := time.Now()
	for p.goOn(upTo(rng, p.s.trip)) {
		if !p.s.out() {
			p.settle(g.ID, time.Since(answered))
			return true
		}
		pass(lastRetry)
	}
	return false
}

// visit is a request to the log. It takes time, the process may be stopped or die
// meanwhile, and the answer may be lost.
func (p *simProcess) visit(ctx context.Context, do func() error) error {
	p.mu.Lock()
	there, back, luck := upTo(p.rng, p.s.trip), time.Duration(0), p.rng.Float64()
	if p.rng.IntN(2) == 0 {
		there, back = back, there
	}
	p.mu.Unlock()
	if !p.goOn(there) || p.s.out() || luck < p.s.broken/2 {
		return errSim
	}
	err := do()
	if !p.goOn(back) || luck > 1-p.s.broken/2 {
		return errSim
	}
	return errors.Join(err, ctx.Err())
}

func (p *simProcess) Grant(ctx context.Context, params db.GrantParams) (out db.Grants, err error) {
	err = p.visit(ctx, func() (err error) { out, err = p.model.Grant(ctx, params); return err })
	return out, err
}

func (p *simProcess) ReleaseGrants(ctx context.Context, ids []int64) error {
	return p.visit(ctx, func() error { return p.model.ReleaseGrants(ctx, ids) })
}

func (p *simProcess) Observe(ctx context.Context, lane string, seen []db.Observation) error {
	return p.visit(ctx, func() error { return p.model.Observe(ctx, lane, seen) })
}

func (p *simProcess) BlockLane(ctx context.Context, lane string, d time.Duration) error {
	return p.visit(ctx, func() error { return p.model.BlockLane(ctx, lane, d) })
}

// pass lets simulated time pass.
func pass(d time.Duration) { <-time.After(d) }

// nap ends early with ctx.
func nap(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d) + 1))
}
