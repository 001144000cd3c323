package throttle

import (
	"flag"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

//nolint:gochecknoglobals // flags
var (
	seedFlag  = flag.Uint64("throttle.seed", 0, "run the simulation of this seed alone")
	seedsFlag = flag.Uint64("throttle.seeds", 0, "how many seeds to simulate; 0: 10,000, with -race or -short 300")
)

// TestSimulation runs the Lanes of several processes against one log and an API with
// a limit, in simulated time and with every kind of failure. It prints the seed that
// failed; -throttle.seed runs that seed alone.
func TestSimulation(t *testing.T) {
	t.Parallel()
	if *seedFlag != 0 {
		s := simulate(t, *seedFlag)
		t.Log(s)
		require.Empty(t, s.wrong())
		return
	}
	seeds := *seedsFlag
	switch {
	case seeds > 0:
	case raceEnabled, testing.Short():
		seeds = 300 // with -race each takes ten times as long, and the races are in the first
	default:
		seeds = 10_000
	}
	var sound, faulty, shared uses
	var next atomic.Uint64
	for range runtime.GOMAXPROCS(0) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for seed := next.Add(1); seed <= seeds && !t.Failed(); seed = next.Add(1) {
				s := simulate(t, seed)
				require.Empty(t, s.wrong(), "go test ./internal/throttle -run Simulation -throttle.seed=%d\n%s", seed, s)
				switch {
				case s.relimit: // calls of the higher limit are in it
				case s.foreign > 0:
					shared.add(s)
				case s.faults():
					faulty.add(s)
				default:
					sound.add(s)
				}
			}
		})
	}
	t.Cleanup(func() {
		t.Logf("%d seeds; without faults: %s; with: %s; with others on the token %d of %d calls were refused",
			seeds, &sound, &faulty, shared.refused, shared.calls)
	})
}

func simulate(t *testing.T, seed uint64) (s *simulation) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		s = newSimulation(draw(seed))
		s.run()
	})
	return s
}

// wrong describes what is wrong with a run.
func (s *simulation) wrong() string {
	since, refused := s.start, 0
	switch {
	case s.foreign > 0:
		// Those in flight when it is first noticed, then a race for the last
		// calls of a window.
		refused = s.processes*s.workers + 5*s.windows
	case s.relimit:
		// Those in flight, after which all processes know.
		since, refused = s.server.heard.Add(s.latency+maxSleep), s.processes*s.workers
	}
	switch {
	case s.server.most(since) > s.limit:
		return "more calls in a window than the limit"
	case s.server.refused > refused:
		return "too many 429s"
	case s.use() < 0.98:
		return "the limit was not used"
	}
	return ""
}

// uses collects how much of the limit was used.
type uses struct {
	mu                sync.Mutex
	n, calls, refused int
	sum, min          float64
}

func (u *uses) add(s *simulation) {
	u.mu.Lock()
	defer u.mu.Unlock()
	use := s.use()
	if u.n == 0 {
		u.min = use
	}
	u.n, u.calls, u.refused = u.n+1, u.calls+len(s.server.arrivals), u.refused+s.server.refused
	u.sum, u.min = u.sum+use, min(u.min, use)
}

func (u *uses) String() string {
	return fmt.Sprintf("%.2f %% of the limit used, at least %.2f %% (%d calls in %d runs)",
		100*u.sum/float64(u.n), 100*u.min, u.calls, u.n)
}
