package db_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

// A process of many sites feeds only those whose jobs are fewer or more than their rows.
func TestSitesToFeedOfMany(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const window = 8
	toFeed := func(window int) int {
		sites, err := b.SitesToFeed(t.Context(), map[int]string{b.site.ID: b.site.Queue()}, window)
		require.NoError(t, err)
		return len(sites)
	}
	require.Zero(t, toFeed(window), "nothing to send")
	var targets []string
	for i := range 20 {
		targets = append(targets, fmt.Sprint("a", i))
	}
	l := b.load(t, targets[:6]...)
	require.Equal(t, 1, toFeed(window), "rows without jobs")
	require.Len(t, b.feed(t, window), 6)
	require.Zero(t, toFeed(window), "a job for each row")
	require.Equal(t, 1, toFeed(0), "without trust")
	b.exec(t, `DELETE FROM river_job WHERE (args->>'rename_id')::bigint = $1`, l.ids[3])
	require.Equal(t, 1, toFeed(window), "a job was deleted")
	b.feed(t, window)
	b.setBatch(t, l.batch, "paused")
	require.Equal(t, 1, toFeed(window), "jobs of a paused batch")
	b.setBatch(t, l.batch, "active")
	b.setJobs(t, "running", l.ids...)
	require.Zero(t, toFeed(window), "all run")
	b.settle(t, l.ids[0], "succeeded")
	require.Equal(t, 1, toFeed(window), "a job too many, until River has completed it")
	b.setJobs(t, "completed", l.ids[0])
	require.Zero(t, toFeed(window))

	b.load(t, targets[6:]...)
	require.Equal(t, 1, toFeed(window), "more than a window of rows, and few jobs")
	b.feed(t, window)
	require.Zero(t, toFeed(window), "most of a window of jobs")
}

// A queue with waiting jobs is woken again only if none of its jobs runs.
func TestWakeUnworked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), `LISTEN "relabel.river_insert"; LISTEN "end"`)
	require.NoError(t, err)
	woken := func() (queues []string) {
		require.NoError(t, pgx.BeginFunc(t.Context(), b.Pool(), func(tx pgx.Tx) error {
			if err := db.WakeUnworked(t.Context(), tx, b.site.Queue()); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `NOTIFY "end"`)
			return err
		}))
		for {
			n, err := conn.Conn().WaitForNotification(t.Context())
			require.NoError(t, err)
			if n.Channel == "end" {
				return queues
			}
			queues = append(queues, n.Payload)
		}
	}
	require.Empty(t, woken(), "no job waits")
	l := b.load(t, "a", "b")
	b.feed(t, 10)
	lost := []string{fmt.Sprintf(`{"queue": %q}`, b.site.Queue())}
	require.Equal(t, lost, woken())
	b.setJobs(t, "running", l.ids[0])
	require.Empty(t, woken(), "a worker is at the queue")
	b.setJobs(t, "completed", l.ids[0])
	require.Equal(t, lost, woken())
}

// Several lanes get their grants in one statement, each by its own limit, and an unknown one
// none.
func TestGrantsOfSeveralLanes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	other := b.elsewhere(t)
	require.NoError(t, b.EnsureLane(t.Context(), b.site.ID, db.LaneSettings{Fingerprint: b.lane, Limit: 60, Window: time.Minute}))
	require.NoError(t, b.EnsureLane(t.Context(), other.site.ID, db.LaneSettings{Fingerprint: "three", Limit: 3, Window: time.Minute, Fixed: true}))
	ask := func(wants map[string]int) map[string]db.Grants {
		var ps []db.GrantParams
		for lane, want := range wants {
			ps = append(ps, db.GrantParams{Lane: lane, ProcessID: process, Want: want, Hold: hold})
		}
		got, err := b.GrantAll(t.Context(), ps)
		require.NoError(t, err)
		return got
	}
	got := ask(map[string]int{"three": 5, b.lane: 2, "gone": 1})
	require.Len(t, got, 2)
	require.Len(t, got["three"].IDs, 3)
	require.InDelta(t, time.Minute, got["three"].Wait, float64(time.Second))
	require.Len(t, got[b.lane].IDs, 2)
	require.Zero(t, got[b.lane].Wait)
	require.Empty(t, ask(map[string]int{"three": 1})["three"].IDs)

	require.NoError(t, b.BlockLane(t.Context(), "three", time.Minute))
	require.NoError(t, b.ObserveAll(t.Context(), map[string][]db.Observation{
		"three": {{Limit: 2, Remaining: 2, SentAgo: 1}}, b.lane: {{Limit: 30, Remaining: 30, SentAgo: 2}, {Limit: 90, Remaining: 90, SentAgo: 1}},
	}))
	got = ask(map[string]int{"three": 1, b.lane: 1})
	require.True(t, got["three"].Blocked)
	require.Equal(t, 2, got["three"].Limit)
	require.Equal(t, 90, got[b.lane].Limit)
}
