package throttle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// scenario is one simulated run. Its seed decides everything except the order of
// events in the same nanosecond.
type scenario struct {
	seed      uint64
	limit     int
	window    time.Duration
	hold      time.Duration
	windows   int // that the run lasts, and a half
	processes int
	workers   int           // of a process
	latency   time.Duration // of a call, at most
	trip      time.Duration // to the database and back, at most
	release   float64       // share of grants given back unused

	crash   bool    // processes are killed, and others started
	stop    bool    // processes are stopped for longer than a grant lasts
	broken  float64 // share of trips to the database that fail, on the way there or back
	outage  bool    // the database is away for a while
	foreign int     // calls a window that somebody else tries with the token
	relimit bool    // the API doubles its limit for a while
}

// draw makes the scenario of a seed. Half of the scenarios have no faults.
//
// Most windows are shorter than Webflow's minute, and latencies and faults are
// shorter in proportion. Only the proportion matters, and this saves time.
func draw(seed uint64) scenario {
	rng := scenario{seed: seed}.rng(0)
	window := time.Duration(pick(rng, 6, 6, 6, 12, 12, 60)) * time.Second
	sc := scenario{
		seed: seed, window: window, hold: window * 3 / 4, windows: 2,
		limit: pick(rng, 2, 3, 5, 5, 10, 10, 10, 20, 20, 30, 60, 120), processes: pick(rng, 1, 1, 2, 2, 3, 4),
		latency: upTo(rng, window/120), // half a second a minute
		trip:    upTo(rng, window/6000),
		release: max(0, 0.5*rng.Float64()-0.25),
	}
	// One process alone can make all calls: a worker can make 120 or more in a
	// window, and has to make 30.
	sc.workers = 1 + sc.limit/30 + rng.IntN(12)
	switch rng.IntN(12) {
	case 0:
		sc.crash = true
	case 1:
		sc.stop = true
	case 2:
		sc.broken, sc.outage = 0.05*window.Minutes(), rng.IntN(2) == 0
	case 3:
		sc.crash, sc.stop, sc.broken = true, true, 0.02*window.Minutes()
	case 4:
		sc.foreign, sc.windows = 1+rng.IntN(sc.limit), 6
	case 5:
		sc.relimit = true
	}
	if sc.faults() {
		sc.windows = 3 // what a dead process held comes back
	}
	return sc
}

// rng gives each actor its own random numbers, so that they do not depend on the
// order in which the actors run.
func (sc scenario) rng(actor uint64) *rand.Rand { return rand.New(rand.NewPCG(sc.seed, actor)) }

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// simulation is one run: processes with a Lane each, the log that they share, and the
// API.
type simulation struct {
	scenario
	log        *model
	server     *simServer
	start, end time.Time

	outageFrom, outageTill time.Time

	names atomic.Uint64
	wg    sync.WaitGroup
}

func newSimulation(sc scenario) *simulation {
	now, rng := time.Now(), sc.rng(1)
	s := &simulation{
		scenario: sc, log: newModel(sc.limit, sc.window), start: now,
		end: now.Add(time.Duration(sc.windows)*sc.window + sc.window/2),
		server: &simServer{
			start: now, limit: sc.limit, window: sc.window, phase: upTo(rng, sc.window),
		},
	}
	if sc.outage {
		s.outageFrom = now.Add(upTo(rng, 2*sc.window))
		s.outageTill = s.outageFrom.Add(upTo(rng, sc.window))
	}
	return s
}

// run returns when all processes have ended. It must be called in a synctest bubble.
func (s *simulation) run() {
	ctx, cancel := context.WithDeadline(context.Background(), s.end)
	defer cancel()
	for i := range s.processes {
		s.wg.Go(func() { s.career(ctx, i) })
	}
	if s.foreign > 0 {
		s.wg.Go(func() { s.somebodyElse(ctx) })
	}
	if s.relimit {
		s.wg.Go(func() { s.changeLimit(ctx) })
	}
	s.wg.Wait()
}

// career runs a process, and after its crash the next one.
func (s *simulation) career(ctx context.Context, i int) {
	for ctx.Err() == nil {
		p := newSimProcess(s)
		p.stops = s.stop && i > 0 // one always runs, so that the use can be measured
		life, kill := context.WithCancel(ctx)
		if s.crash {
			killer := time.AfterFunc(time.Duration(p.rng.ExpFloat64()*float64(2*s.window)), func() {
				p.dead.Store(true)
				kill()
			})
			defer killer.Stop()
		}
		p.live(life)
		kill()
	}
}

func (s *simulation) somebodyElse(ctx context.Context) {
	rng := s.rng(2)
	for ctx.Err() == nil {
		nap(ctx, time.Duration(rng.ExpFloat64()*float64(s.window)/float64(s.foreign)))
		if a := s.server.call(false); !a.ok {
			nap(ctx, a.reset)
		}
	}
}

func (s *simulation) changeLimit(ctx context.Context) {
	rng := s.rng(3)
	nap(ctx, upTo(rng, s.window))
	s.server.setLimit(2 * s.limit)
	nap(ctx, upTo(rng, s.window))
	s.server.setLimit(s.limit)
}

// out reports whether the database is away.
func (s *simulation) out() bool {
	now := time.Now()
	return !now.Before(s.outageFrom) && now.Before(s.outageTill)
}

// use returns how much of the limit was used. Without faults it compares the time
// with the best possible one: k windows for k times the limit plus one call. With
// faults it counts the room used in the log, because a dead process's grants are
// lost until they expire. If others use the token, it counts what the API accepted.
func (s *simulation) use() float64 {
	most := s.limit * s.windows
	switch {
	case s.foreign > 0:
		return float64(s.server.accepted) / float64(most)
	case s.faults():
		closed := s.outageTill.Sub(s.outageFrom)
		if closed > 0 {
			closed += lastRetry
		}
		return min(1, s.log.use(s.start, s.end)/(1-float64(closed)/float64(s.end.Sub(s.start))))
	case len(s.server.arrivals) <= most:
		return 0
	}
	return float64(time.Duration(s.windows)*s.window) / float64(s.server.arrivals[most].Sub(s.server.arrivals[0]))
}

func (sc scenario) faults() bool { return sc.crash || sc.stop || sc.broken > 0 }

func (s *simulation) String() string {
	return fmt.Sprintf("%+v: %d calls, %d refused, at most %d in a window, use %.4f",
		s.scenario, len(s.server.arrivals), s.server.refused, s.server.most(s.start), s.use())
}
