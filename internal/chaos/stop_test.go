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
	// The third call of 16 workers has a new connection, which the stand-in closes after
	// 10 s without a request. The twentieth has a kept one, which is there on waking.
	places := []string{
		"granted:3", "claimed:3", "sending:3", "sending:20", "sent:3", "sent:20", "answered:3", "finishing:3", "in-finish:1",
	}
	for _, place := range places {
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
	s.enqueue(renames(n, "old"))
	s.eventually(time.Minute, "the worker stands still", func() bool { return s.isStopped(zombie) })
	stopped := time.Now()
	other := s.worker("other")
	s.registered(other)
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

// heldUp is how long others may have to wait for one that stands still in a
// transaction: PostgreSQL ends it after 10 s; the others look every 5 s, and do
// their work.
const heldUp = 20 * time.Second

// Whoever stands still while it holds a lock that others need loses it: a worker
// that feeds, a load at its end, a turn of the schedules.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("that a process stands still is read from /proc")
	}
	for place, stop := range map[string]func(*stage) *process{
		"feeding": (*stage).stopFeeding, "load-committing": (*stage).stopLoad, "due-claimed": (*stage).stopTurn,
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 0, 0)
			holder := stop(s)
			s.eventually(time.Minute, "it stands still", func() bool { return s.isStopped(holder) })
			stopped := time.Now()
			s.worker("other")
			if place == "due-claimed" {
				s.runEnds(1, stopped)
			} else {
				s.enqueue(renames(30, "new"))
				s.eventually(time.Until(stopped.Add(heldUp)), "every row has ended", func() bool {
					return s.open() == 0 && ask[int](s, `SELECT count(*) FROM batch WHERE status = 'done'`) > 0
				})
			}
			s.Logf("%s: others were held up for %.1f s", place, time.Since(stopped).Seconds())
			if place == "load-committing" {
				holder.signal(syscall.SIGCONT)
				require.Error(t, holder.wait())
				require.Contains(t, holder.said(), "the load lost its connection, and was undone")
			} else {
				s.wakes(holder)
			}
			s.checkConserved()
		})
	}
}

// stopFeeding stops a worker in its first feed, with rows that have no job.
func (s *stage) stopFeeding() *process {
	s.enqueue(renames(30, "old"))
	s.exec(`DELETE FROM river_job`)
	return s.worker("feeder", failpoint("feeding:1:stop"))
}

func (s *stage) stopLoad() *process {
	return s.spawn("load", []string{failpoint("load-committing:1:stop")}, "enqueue", s.csv(renames(30, "old")))
}

func (s *stage) stopTurn() *process {
	s.newSchedule()
	w := s.worker("turn", failpoint("due-claimed:1:stop"))
	s.registered(w)
	s.night()
	return w
}

func (s *stage) runEnds(runs int, since time.Time) {
	s.Helper()
	s.eventually(time.Until(since.Add(heldUp)), "the run is done", func() bool {
		return ask[int](s, `SELECT count(*) FROM schedule_run WHERE status = 'done'`) == runs
	})
	s.checkNight(runs)
}
