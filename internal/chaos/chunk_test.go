//go:build unix

package chaos

import (
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// Statements that change many rows commit in chunks: 2,000 rows of a load, 1,000 or more
// of a retry, 10,000 of a cancelled batch. These numbers need more than one chunk.
const (
	acceptedRows  = 4500
	retriedRows   = 1300
	cancelledRows = 10_500
)

// quickStage has an API that answers at once and has no limit, for thousands of rows.
func quickStage(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, 0, 0)
	s.api.SetLatency(0, 0)
	return s
}

// spread returns many rows with few targets, so that there are many chunks and few
// calls. One row in 45 has its own target. All others share one, so only the last of
// them is open.
func spread(load string) (rows []rename, open int) {
	rows = renames(acceptedRows, load)
	for i := range rows {
		if i%45 != 0 {
			rows[i].asset = standin.AssetID(1)
		}
	}
	return rows, acceptedRows/45 + 1
}

// acceptance says where a load is killed after its first rows were accepted.
type acceptance struct {
	place  string
	rows   int // accepted by then
	beside bool
}

// A load is killed between two chunks of its acceptance. A worker, which is sending older
// names of the same targets, finishes the acceptance. Each new row is sent, and no older
// one after it.
func TestKilledAcceptance(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]acceptance{
		"after the load":            {"load-committed", 2000, false},
		"in the second chunk":       {"accepting:1", 2000, false},
		"in the last chunk":         {"accepting:2", 4000, false},
		"while older ones are sent": {"accepting:1", 2000, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			quickStage(t).killAcceptance(a)
		})
	}
}

func (s *stage) killAcceptance(a acceptance) {
	var worker *process
	if a.beside { // many rows are left, and some are in flight
		s.setRate("10/1s")
		worker = s.worker("worker")
		s.waitRegistered(worker)
	}
	older, open := spread("old")
	old := s.enqueue(older)
	if a.beside {
		s.waitCalls(15)
		worker.signal(syscall.SIGSTOP) // else it may accept all chunks before the load comes to its place
	}
	rows, _ := spread("new")
	killed := s.waitKilled(s.spawn("load", []string{failpoint(a.place)}, "enqueue", s.csv(rows)))
	if a.beside {
		worker.signal(syscall.SIGCONT)
		s.setRate("none")
	} else {
		s.checkAccepted(old+1, a.rows)
		s.worker("worker")
	}
	took := s.waitFinished(killed)
	sent := s.count(old, "succeeded")
	s.Logf("%s: at rest %.1f s after the kill, %d of the old ones were sent", a.place, took.Seconds(), sent)
	s.checkAll()
	require.Equal(s, open, s.count(old+1, "succeeded"))
	require.Equal(s, acceptedRows, sent+s.count(old, "superseded"))
	require.True(s, a.beside || sent == 0, "%d older rows were sent", sent)
}

// checkAccepted checks that a killed load accepted only some rows of its batch.
func (s *stage) checkAccepted(batch int64, rows int) {
	s.Helper()
	require.Equal(s, rows, ask[int](s, `
		SELECT count(*) FROM rename r JOIN batch b ON b.id = r.batch_id WHERE b.id = $1 AND r.id <= b.accepted_to`, batch))
}

func (s *stage) count(batch int64, status string) int {
	s.Helper()
	return ask[int](s, `SELECT count(*) FROM rename WHERE batch_id = $1 AND status = $2`, batch, status)
}

// setRate sets the default site's limit with a command.
func (s *stage) setRate(rate string) {
	s.Helper()
	p := s.spawn("site set", nil, "site", "set", "--rate", rate)
	require.NoError(s, p.wait(), p.output())
}

// The command that cancels a large batch is killed between two chunks, and so is the
// worker that continues. The next worker ends the rest, and nothing is sent.
func TestKilledCancelling(t *testing.T) {
	t.Parallel()
	s := quickStage(t)
	batch := s.enqueue(renames(cancelledRows, "value"))
	killed := s.waitKilled(s.spawn("cancel", []string{failpoint("cancelling")}, "batch", "cancel", strconv.FormatInt(batch, 10)))
	require.Equal(t, 10_000, s.count(batch, "cancelled"))
	s.waitKilled(s.worker("victim", failpoint("cancelling")))
	require.Equal(t, 10_000, s.count(batch, "cancelled"))
	s.worker("worker")
	t.Logf("at rest %.1f s after the kill", s.waitFinished(killed).Seconds())
	s.checkAll()
	require.Equal(t, cancelledRows, s.count(batch, "cancelled"))
	require.Empty(t, s.patches())
}

// A retry is killed between two chunks. The rows of the first chunks are sent, the others
// are unchanged. The same command again retries the rest.
func TestKilledRetry(t *testing.T) {
	t.Parallel()
	s := quickStage(t)
	batch := s.cancelledBatch(retriedRows)
	args := []string{"batch", "retry", strconv.FormatInt(batch, 10)}
	s.waitKilled(s.spawn("retry", []string{failpoint("retrying:2")}, args...))
	chunk := s.count(batch, "pending")
	require.True(t, chunk > 0 && chunk < retriedRows, "%d rows are retried", chunk)
	s.worker("worker")
	s.waitFinished(time.Now())
	require.Equal(t, chunk, s.count(batch, "succeeded"))
	again := s.spawn("retry again", nil, args...)
	require.NoError(t, again.wait(), again.output())
	s.waitFinished(time.Now())
	s.checkAll()
	s.checkSucceeded(retriedRows)
	require.Len(t, s.patches(), retriedRows, "each row is sent once")
}

// cancelledBatch makes a cancelled batch of which no row was sent.
func (s *stage) cancelledBatch(n int) int64 {
	s.Helper()
	batch := s.enqueue(renames(n, "value"))
	_, err := s.db.CancelBatch(s.Context(), batch, nil)
	require.NoError(s, err)
	return batch
}

// The command that applies a plan is killed before its commit. The batch is still a
// plan, and can be applied.
func TestKilledApply(t *testing.T) {
	t.Parallel()
	const n = 30
	s := newStage(t, 0, 0)
	batch := s.plan(renames(n, "value"))
	s.worker("worker")
	s.waitKilled(s.apply(batch, failpoint("applying")))
	require.Equal(t, "planned", ask[string](s, `SELECT status FROM batch WHERE id = $1`, batch))
	p := s.apply(batch)
	require.NoError(t, p.wait(), p.output())
	s.waitFinished(time.Now())
	s.checkAll()
	s.checkSucceeded(n)
	require.Len(t, s.patches(), n, "each row is sent once")
}

// plan stores rows as a plan, compared with the stand-in, and returns its number.
func (s *stage) plan(rows []rename) int64 {
	s.Helper()
	s.api.AddAssets(len(rows))
	p := s.spawn("plan", nil, "plan", s.csv(rows))
	require.NoError(s, p.wait(), p.output())
	return ask[int64](s, `SELECT max(id) FROM batch`)
}

func (s *stage) apply(batch int64, env ...string) *process {
	s.Helper()
	return s.spawn("apply", env, "apply", strconv.FormatInt(batch, 10))
}

// A worker whose token was refused is killed before it parks the site. The next worker
// gets the same refusal and parks it. Once the token works again, all rows are sent.
func TestKilledParking(t *testing.T) {
	t.Parallel()
	const n = 40
	s := newStage(t, 20, time.Second)
	s.api.SetToken(token, standin.TokenForbidden)
	s.enqueue(renames(n, "value"))
	s.waitKilled(s.worker("victim", failpoint("parking")))
	require.False(t, s.parked())
	s.waitRegistered(s.worker("other"))
	s.eventually(recovery, "the site is parked", s.parked)
	s.mendToken()
	s.waitFinished(time.Now())
	s.checkAll()
	s.checkSucceeded(n)
}

func (s *stage) parked() bool {
	s.Helper()
	return ask[bool](s, `SELECT EXISTS (SELECT FROM site WHERE parked_at IS NOT NULL)`)
}

// mendToken makes the token valid, and resumes the site.
func (s *stage) mendToken() {
	s.Helper()
	s.api.SetToken(token, standin.TokenValid)
	p := s.spawn("resume", nil, "site", "resume")
	require.NoError(s, p.wait(), p.output())
}

// A command stops after it read the open rows of a cancelled batch. When it continues,
// its list is outdated, and rows that were retried meanwhile must stay as they are.
func TestStoppedCancelling(t *testing.T) {
	t.Parallel()
	needsProc(t)
	s := quickStage(t)
	batch := s.enqueue(renames(cancelledRows, "value"))
	zombie := s.spawn("cancel", []string{failpoint("cancelling:1:stop")}, "batch", "cancel", strconv.FormatInt(batch, 10))
	s.waitStopped(zombie)
	other := s.worker("other")
	s.waitFinished(time.Now())
	other.kill()
	retry := s.spawn("retry", nil, "batch", "retry", strconv.FormatInt(batch, 10))
	require.NoError(t, retry.wait(), retry.output())
	zombie.signal(syscall.SIGCONT)
	require.NoError(t, zombie.wait(), zombie.output())
	require.Equal(t, cancelledRows, s.count(batch, "pending"))
}

// A worker stops before it parks the site for a refused token. Meanwhile another worker
// parks it, the token is made valid, and the site is resumed. The first worker's refusal
// is outdated when it continues, so it must not park the site.
func TestStoppedParking(t *testing.T) {
	t.Parallel()
	needsProc(t)
	const n = 40
	s := newStage(t, 20, time.Second)
	s.api.SetToken(token, standin.TokenForbidden)
	zombie := s.worker("zombie", failpoint("parking:1:stop"))
	s.waitRegistered(zombie)
	s.enqueue(renames(n, "value"))
	s.waitStopped(zombie)
	s.waitRegistered(s.worker("other"))
	s.eventually(recovery, "the site is parked", s.parked)
	s.mendToken()
	s.waitFinished(time.Now())
	s.wake(zombie)
	require.False(t, s.parked(), "parked for a refusal that is over")
	s.enqueue(renames(n, "last"))
	s.waitFinished(time.Now())
	s.checkAll()
}
