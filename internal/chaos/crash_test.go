//go:build unix

package chaos

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crashPoint is a place where a worker is killed. Another worker runs already, or starts
// after that.
type crashPoint struct {
	place string // NAME:N: the N-th time that the worker comes there
	after bool   // the other worker starts after the kill
	lost  bool   // the jobs are deleted before, so that the worker feeds
}

func crashPoints() []crashPoint {
	return []crashPoint{
		{place: "fetched:3"},
		{place: "fetched:1", after: true},
		{place: "granted:3"},
		{place: "claimed:3"},
		{place: "sending:3"},
		{place: "sent:3"},
		{place: "sent:1", after: true},
		{place: "headers:3"},
		{place: "answered:3"},
		{place: "finishing:3"},
		{place: "in-finish:2"},
		{place: "in-finish:1", after: true},
		{place: "finished:3"},
		{place: "feeding:1", after: true, lost: true},
		{place: "fed:1", after: true, lost: true},
	}
}

// A worker is killed at a named place, and another one finishes. Nothing is lost, and no
// call is made twice except those in flight at the kill.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	for _, p := range crashPoints() {
		t.Run(p.name(), func(t *testing.T) {
			t.Parallel()
			newStage(t, 20, time.Second).killWorker(p)
		})
	}
}

func (p crashPoint) name() string {
	if p.after {
		return p.place + " alone"
	}
	return p.place
}

func (s *stage) killWorker(p crashPoint) {
	const n = 40
	if p.after {
		s.enqueue(renames(n, "value"))
	}
	if p.lost {
		s.exec(`DELETE FROM river_job`)
	}
	victim := s.worker("victim", failpoint(p.place))
	id := s.waitRegistered(victim)
	if !p.after {
		s.waitRegistered(s.worker("other"))
		s.enqueue(renames(n, "value"))
	}
	killed := s.waitKilled(victim)
	inFlight := s.sending(id)
	if p.after {
		s.worker("other")
	}
	s.Logf("%s: at rest %.1f s after the kill, %d in flight", p.place, s.waitFinished(killed).Seconds(), len(inFlight))
	s.checkAll()
	s.checkSucceeded(n)
	s.checkExtra(inFlight)
}

// sending returns the targets that a process had claimed and not finished.
func (s *stage) sending(processID string) map[string]bool {
	s.Helper()
	assets := ask[[]string](s, `
		SELECT coalesce(array_agg(asset_id), '{}') FROM rename WHERE status = 'sending' AND process_id = $1`, processID)
	set := map[string]bool{}
	for _, a := range assets {
		set[a] = true
	}
	return set
}

func (s *stage) checkSucceeded(n int) {
	s.Helper()
	rows := s.rows()
	require.Len(s, rows, n)
	for _, r := range rows {
		require.Equal(s, "succeeded", r.Status, "%+v", r)
	}
}

// checkExtra allows one more call for each target that was in flight.
func (s *stage) checkExtra(inFlight map[string]bool) {
	s.Helper()
	calls := map[string]int{}
	for _, c := range s.patches() {
		calls[c.AssetID]++
	}
	for asset, n := range calls {
		most := 1
		if inFlight[asset] {
			most = 2
		}
		require.LessOrEqual(s, n, most, "%s was called %d times", asset, n)
	}
}

// A killed load leaves its whole batch or nothing, and does not disturb the next load.
func TestKilledLoad(t *testing.T) {
	t.Parallel()
	for place, committed := range map[string]bool{
		"load-copied": false, "feeding": false, "load-committing": false, "load-committed": true,
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			newStage(t, 0, 0).killLoad(place, committed)
		})
	}
}

func (s *stage) killLoad(place string, committed bool) {
	const n = 30
	rows := renames(n, "value")
	killed := s.waitKilled(s.spawn("load", []string{failpoint(place)}, "enqueue", s.csv(rows)))
	left := 0
	if committed {
		left = n
	}
	require.Equal(s, left, ask[int](s, `SELECT count(*) FROM rename`))
	require.Equal(s, left/n, ask[int](s, `SELECT count(*) FROM batch`))
	s.worker("worker") // not earlier: while a worker feeds, a load does not
	if committed {
		s.waitFinished(killed)
	}
	again := s.enqueue(rows)
	s.Logf("%s: at rest %.1f s after the kill", place, s.waitFinished(killed).Seconds())
	s.checkAll()
	require.Len(s, s.patches(), n, "each row is sent once")
	if committed { // the second load finds all rows done
		require.Equal(s, n, ask[int](s, `SELECT unchanged FROM batch WHERE id = $1`, again))
	}
}
