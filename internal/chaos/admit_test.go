//go:build unix

package chaos

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// always is how many tests run at the same time on any machine.
	always = 5

	// crowded is how many threads a CPU has to run on a machine that doesn't keep up. With more,
	// a process that only has to start takes as long as the tests allow for a recovery.
	crowded = 4
)

// door is where tests wait until the machine has room for them.
//
//nolint:gochecknoglobals // a test process runs on one machine
var door struct {
	sync.Mutex              // held by the test that enters next
	inside     atomic.Int64 // number of tests
}

// admit waits until the machine keeps up with the tests that run, so that a slow or busy one
// runs fewer of the atOnce tests. A test enters once. With -short nobody enters.
func admit(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the tests with real processes take more than a minute")
	}
	door.Lock()
	defer door.Unlock()
	for door.inside.Load() >= always {
		if runnable() <= float64(crowded*runtime.NumCPU()) {
			break
		}
	}
	door.inside.Add(1)
	t.Cleanup(func() { door.inside.Add(-1) })
}

// runnable is how many threads of this machine run or wait for a CPU, on average over 5 polls.
// It is 0 on systems that don't say.
func runnable() float64 {
	const samples = 5
	tick := time.NewTicker(poll)
	defer tick.Stop()
	sum := 0
	for range samples {
		<-tick.C
		line, err := os.ReadFile("/proc/loadavg") // 0.20 0.18 0.12 1/80 11206
		if err != nil {
			return 0
		}
		var one, five, fifteen float64
		var running int
		if _, err := fmt.Sscanf(string(line), "%f %f %f %d/", &one, &five, &fifteen, &running); err != nil {
			return 0
		}
		sum += running
	}
	return float64(sum) / samples
}

// Threads that have something to do count, sleeping ones don't.
func TestRunnable(t *testing.T) {
	if runtime.GOOS != "linux" {
		require.Zero(t, runnable())
		return
	}
	require.Greater(t, runnable(), 0.5, "this one at least")
}
