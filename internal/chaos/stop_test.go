//go:build unix

package chaos

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker is stopped for longer than its lease. Meanwhile another worker sends newer
// names for all its targets. When the first one continues, it sends nothing and changes
// nothing, and then works normally.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	needsProc(t)
	// The third call of 16 workers has a new connection, which the stand-in closes after
	// 10 s without a request. The twentieth has a reused one, which is still open later.
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
	s.waitRegistered(zombie)
	s.enqueue(renames(n, "old"))
	s.waitStopped(zombie)
	stopped := time.Now()
	other := s.worker("other")
	s.waitRegistered(other)
	s.enqueue(renames(n, "new"))
	s.Logf("%s: at rest %.1f s after the stop", place, s.waitFinished(stopped).Seconds())
	s.eventually(time.Minute, "the lease has ended", func() bool { return time.Since(stopped) > lease })

	calls, before := s.api.Calls(), s.renameState()
	s.wake(zombie)
	require.Equal(s, calls, s.api.Calls(), "the zombie made calls")
	require.Equal(s, before, s.renameState(), "the zombie changed renames")
	for i, r := range s.rows()[n:] {
		require.Equal(s, "succeeded", r.Status, "%+v", r)
		require.Equal(s, r.Name, s.api.Name(r.AssetID, ""), "row %d", i)
	}
	other.kill()
	s.enqueue(renames(n, "last"))
	s.waitFinished(time.Now())
	s.checkAll()
}

// wake continues a stopped worker, and waits until it has sent a heartbeat and its jobs
// have ended.
//
// The answer to a fetch may have been lost while the worker was stopped. Then River has
// a job as running that the worker does not know, until River rescues it. So jobs that
// still run a whole lease later are ignored. A worker that was stopped while it started
// may find its first connections closed. It ends, and its supervisor would restart it.
func (s *stage) wake(zombie *process) {
	s.Helper()
	woken := ask[time.Time](s, `SELECT clock_timestamp()`)
	zombie.signal(syscall.SIGCONT)
	s.eventually(recovery, "the worker beats again and its jobs have ended", func() bool {
		return zombie.hasEnded() && strings.Contains(zombie.output(), "error starting the workers") || ask[bool](s, `
			SELECT EXISTS (SELECT FROM process WHERE pid = $1 AND heartbeat_at > $2)
				AND NOT EXISTS (SELECT FROM river_job WHERE state = 'running')
				OR EXISTS (SELECT FROM process WHERE pid = $1 AND heartbeat_at > $3)`,
			zombie.pid(), woken, woken.Add(lease))
	})
}

// renameState returns all columns of all renames, to compare.
func (s *stage) renameState() string {
	s.Helper()
	return strings.Join(ask[[]string](s, `SELECT array_agg(r::text ORDER BY id) FROM rename r`), "\n")
}

// heldUp is how long others may have to wait for a process that is stopped in a
// transaction. PostgreSQL ends the transaction after 10 s, and the others check every
// 5 s.
const heldUp = 20 * time.Second

// holder is a process that is stopped while it holds a lock.
type holder struct {
	stop func(*stage) *process
	says string // the error when it continues; empty: it works on
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

// A process that is stopped while it holds a lock loses the lock. The processes are a
// worker that feeds, a load at its end, a retry, an apply, and a turn of the schedules.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	needsProc(t)
	for place, h := range holders() {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, 0, 0)
			holder := h.stop(s)
			s.waitStopped(holder)
			stopped := time.Now()
			s.worker("other")
			if place == "due-claimed" {
				s.waitRuns(1, stopped)
			} else {
				s.loadWithin(stopped, heldUp)
			}
			s.Logf("%s: others were held up for %.1f s", place, time.Since(stopped).Seconds())
			s.wakeExpecting(holder, h.says)
			s.discardPlan()
			s.checkConserved()
		})
	}
}

// loadWithin checks that another load is accepted and sent within that time.
func (s *stage) loadWithin(since time.Time, within time.Duration) {
	s.Helper()
	batch := s.enqueue(renames(30, "new"))
	s.eventually(time.Until(since.Add(within)), "every row has ended", func() bool {
		return ask[string](s, `SELECT status FROM batch WHERE id = $1`, batch) == "done"
	})
}

// discardPlan discards a plan that was not applied.
func (s *stage) discardPlan() {
	s.Helper()
	if id := ask[int64](s, `SELECT coalesce(min(id), 0) FROM batch WHERE status = 'planned'`); id != 0 {
		require.NoError(s, s.db.Discard(s.Context(), id))
	}
}

// wakeExpecting continues a stopped process. A worker goes on working; a command fails
// with an error.
func (s *stage) wakeExpecting(p *process, says string) {
	s.Helper()
	if says == "" {
		s.wake(p)
		return
	}
	p.signal(syscall.SIGCONT)
	require.Error(s, p.wait())
	require.Contains(s, p.output(), says)
}

// A load is stopped during its acceptance, with the locks of a chunk. A worker finishes
// the acceptance, and the next load is not blocked.
func TestStoppedAcceptance(t *testing.T) {
	t.Parallel()
	needsProc(t)
	s := quickStage(t)
	older, _ := spread("old")
	old := s.enqueue(older)
	rows, _ := spread("newer")
	zombie := s.spawn("load", []string{failpoint("accepting:1:stop")}, "enqueue", s.csv(rows))
	s.waitStopped(zombie)
	stopped := time.Now()
	s.worker("other")
	s.loadWithin(stopped, recovery)
	s.Logf("others were held up for %.1f s", time.Since(stopped).Seconds())
	zombie.signal(syscall.SIGCONT)
	require.NoError(t, zombie.wait(), "the batch is accepted, although by another process")
	s.waitFinished(time.Now())
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

// stopRetry stops a retry of rows without newer ones.
func (s *stage) stopRetry() *process {
	batch := s.cancelledBatch(30)
	return s.spawn("retry", []string{failpoint("retrying:1:stop")}, "batch", "retry", strconv.FormatInt(batch, 10))
}

// stopApply stops the apply of a plan that supersedes an earlier batch.
func (s *stage) stopApply() *process {
	s.enqueue(renames(30, "old"))
	return s.apply(s.plan(renames(30, "plan")), failpoint("applying:1:stop"))
}

func (s *stage) stopTurn() *process {
	s.newSchedule()
	w := s.worker("turn", failpoint("due-claimed:1:stop"))
	s.waitRegistered(w)
	s.makeDue()
	return w
}

// waitRuns waits for runs that a stopped process could hold up. They start within heldUp;
// the run itself then takes as long as any other.
func (s *stage) waitRuns(runs int, since time.Time) {
	s.Helper()
	s.eventually(time.Until(since.Add(heldUp)), "the run has started", func() bool {
		return ask[int](s, `SELECT count(*) FROM schedule_run`) == runs
	})
	s.eventually(recovery, "the run is done", func() bool {
		return ask[int](s, `SELECT count(*) FROM schedule_run WHERE status = 'done'`) == runs
	})
	s.checkNight(runs)
}
