//go:build unix

package chaos

import (
	"runtime"
	"strconv"
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
// rescues it; so what is still running a whole lease later counts as lost. One that
// stood still while it was starting may find its first connections dead, and ends:
// that is for its supervisor.
func (s *stage) wakes(zombie *process) {
	s.Helper()
	woken := ask[time.Time](s, `SELECT clock_timestamp()`)
	zombie.signal(syscall.SIGCONT)
	s.eventually(recovery, "the worker beats again and its jobs have ended", func() bool {
		return zombie.hasEnded() && strings.Contains(zombie.said(), "error starting the workers") || ask[bool](s, `
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

// holder is a process that stops with a lock in its hands.
type holder struct {
	stop func(*stage) *process
	says string // on waking, as what it was at is undone; empty: it works on
}

func holders() map[string]holder {
	return map[string]holder{
		"feeding":         {(*stage).stopFeeding, ""},
		"due-claimed":     {(*stage).stopTurn, ""},
		"load-committing": {(*stage).stopLoad, "the load lost its connection, and was undone"},
		"retrying":        {(*stage).stopRetry, "idle-in-transaction timeout"},
		"applying":        {(*stage).stopApply, "idle-in-transaction timeout"},
	}
}

// Whoever stands still while it holds a lock that others need loses it: a worker
// that feeds, a load at its end, a retry, a plan that is applied, a turn of the
// schedules.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("that a process stands still is read from /proc")
	}
	for place, h := range holders() {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 0, 0)
			holder := h.stop(s)
			s.eventually(time.Minute, "it stands still", func() bool { return s.isStopped(holder) })
			stopped := time.Now()
			s.worker("other")
			if place == "due-claimed" {
				s.runEnds(1, stopped)
			} else {
				s.loadEnds(stopped, heldUp)
			}
			s.Logf("%s: others were held up for %.1f s", place, time.Since(stopped).Seconds())
			s.wakesAs(holder, h.says)
			s.discardPlan()
			s.checkConserved()
		})
	}
}

// loadEnds: another load is made and sent within that time.
func (s *stage) loadEnds(since time.Time, within time.Duration) {
	s.Helper()
	batch := s.enqueue(renames(30, "new"))
	s.eventually(time.Until(since.Add(within)), "every row has ended", func() bool {
		return ask[string](s, `SELECT status FROM batch WHERE id = $1`, batch) == "done"
	})
}

// discardPlan is for one that was not applied after all.
func (s *stage) discardPlan() {
	s.Helper()
	if id := ask[int64](s, `SELECT coalesce(min(id), 0) FROM batch WHERE status = 'planned'`); id != 0 {
		require.NoError(s, s.db.Discard(s.Context(), id))
	}
}

// wakesAs lets a stopped process go on: a worker works, a command fails and says
// why.
func (s *stage) wakesAs(p *process, says string) {
	s.Helper()
	if says == "" {
		s.wakes(p)
		return
	}
	p.signal(syscall.SIGCONT)
	require.Error(s, p.wait())
	require.Contains(s, p.said(), says)
}

// A load stands still in the midst of its acceptance, with a chunk's locks. A worker
// goes on with it, and the next load with its own.
func TestStoppedAcceptance(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("that a process stands still is read from /proc")
	}
	s := quickStage(t)
	older, _ := spread("old")
	old := s.enqueue(older)
	rows, _ := spread("newer")
	zombie := s.spawn("load", []string{failpoint("accepting:1:stop")}, "enqueue", s.csv(rows))
	s.eventually(time.Minute, "it stands still", func() bool { return s.isStopped(zombie) })
	stopped := time.Now()
	s.worker("other")
	s.loadEnds(stopped, recovery)
	s.Logf("others were held up for %.1f s", time.Since(stopped).Seconds())
	zombie.signal(syscall.SIGCONT)
	require.NoError(t, zombie.wait(), "the batch is accepted, whoever has done it")
	s.rests(time.Now())
	s.checkAll()
	require.Equal(t, acceptedRows, s.count(old, "superseded"))
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

// stopRetry has rows for which nothing is there that is newer.
func (s *stage) stopRetry() *process {
	batch := s.cancelledBatch(30)
	return s.spawn("retry", []string{failpoint("retrying:1:stop")}, "batch", "retry", strconv.FormatInt(batch, 10))
}

// stopApply has an earlier batch, so that the plan supersedes something.
func (s *stage) stopApply() *process {
	s.enqueue(renames(30, "old"))
	return s.apply(s.plan(renames(30, "plan")), failpoint("applying:1:stop"))
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
