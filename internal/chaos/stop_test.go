//go:build unix

package chaos

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker stands still for longer than its lease, and meanwhile newer names
// are loaded for all its targets and sent by another worker. Awake again it
// sends nothing and changes nothing, and then it is of use again.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("that a process stands still is read from /proc")
	}
	for _, place := range []string{"granted:3", "claimed:3", "sent:3", "answered:3", "finishing:3", "in-finish:1", "feeding:1"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			newStage(t, 20, time.Second).stopWorker(place)
		})
	}
}

func (s *stage) stopWorker(place string) {
	const n = 40
	zombie := s.worker("zombie", failpoint(place+":stop"))
	s.registered(zombie)
	stands := func() bool { return s.isStopped(zombie) }
	if strings.HasPrefix(place, "feeding") {
		s.loseJobs(n)
		s.eventually(time.Minute, "the worker stands still", stands)
	}
	other := s.worker("other")
	s.registered(other)
	if !stands() {
		s.enqueue(renames(n, "old"))
	}
	s.eventually(time.Minute, "the worker stands still", stands)
	stopped := time.Now()
	s.enqueue(renames(n, "new"))
	s.Logf("%s: at rest %.1f s after the stop", place, s.rests(stopped).Seconds())
	s.eventually(time.Minute, "the lease has ended", func() bool { return time.Since(stopped) > lease })

	calls, before := s.api.Calls(), s.renameState()
	s.wakes(zombie)
	require.Equal(s, calls, s.api.Calls(), "the zombie made calls")
	require.Equal(s, before, s.renameState(), "the zombie changed renames")
	for i, r := range s.rows()[n:] {
		require.Equal(s, "succeeded", r.Status, "%+v", r)
		require.Equal(s, r.Name, s.api.Name(r.AssetID, ""), "row %d", i)
	}
	other.kill()
	s.enqueue(renames(n, "last"))
	s.rests(time.Now())
	s.checkAll()
}

// loseJobs loads rows whose jobs are lost, so that the worker that has just started
// feeds: a load has given them jobs already.
func (s *stage) loseJobs(n int) {
	s.Helper()
	s.eventually(time.Minute, "the worker has begun to fetch", func() bool {
		return ask[bool](s, `SELECT EXISTS (SELECT FROM river_queue WHERE name = 'site-default')`)
	})
	s.enqueue(renames(n, "old"))
	s.exec(`DELETE FROM river_job`)
}

// wakes lets a stopped worker go on, and waits until it beats again and has
// ended what it was at. A job whose fetch was answered while the worker stood
// still may be marked as running in a process that never heard of it, until River
// rescues it; so what is still running a whole lease later counts as lost.
func (s *stage) wakes(zombie *process) {
	s.Helper()
	woken := ask[time.Time](s, `SELECT clock_timestamp()`)
	zombie.signal(syscall.SIGCONT)
	s.eventually(recovery, "the worker beats again and its jobs have ended", func() bool {
		return ask[bool](s, `
			SELECT EXISTS (SELECT FROM process WHERE pid = $1 AND heartbeat_at > $2)
				AND NOT EXISTS (SELECT FROM river_job WHERE state = 'running')
				OR EXISTS (SELECT FROM process WHERE pid = $1 AND heartbeat_at > $3)`,
			zombie.pid(), woken, woken.Add(lease))
	})
}

// renameState is all that is known of all renames, to compare.
func (s *stage) renameState() string {
	s.Helper()
	return strings.Join(ask[[]string](s, `SELECT array_agg(r::text ORDER BY id) FROM rename r`), "\n")
}
