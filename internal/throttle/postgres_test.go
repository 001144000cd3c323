package throttle

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// pgBundle is a lane in a database that several processes share.
type pgBundle struct {
	*db.DB
	url string
}

func newPGBundle(t *testing.T, limit int, window time.Duration) *pgBundle {
	t.Helper()
	b := &pgBundle{url: dbtest.URL(t)}
	b.DB = dbtest.Open(t, b.url)
	// relabel may share the database with an application that sets this.
	_, err := b.Pool().Exec(t.Context(), `
		DO $$ BEGIN
			EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database());
		END $$`)
	require.NoError(t, err)
	site := db.Site{}
	require.NoError(t, b.Pool().QueryRow(t.Context(), `SELECT id FROM site WHERE name = 'default'`).Scan(&site.ID))
	require.NoError(t, b.EnsureLane(t.Context(), site.ID, db.LaneSettings{Fingerprint: "lane", Limit: limit, Window: window}))
	return b
}

// process is a Lane with a pool of its own; it works until ctx ends.
func (b *pgBundle) process(ctx context.Context, t *testing.T, name string) (lane *Lane, end func()) {
	t.Helper()
	lane = New(Config{
		Log: dbtest.Open(t, b.url), Lane: "lane", ProcessID: name, Hold: testHold,
		Logger: slog.New(slog.DiscardHandler),
	})
	var run sync.WaitGroup
	run.Go(func() { lane.Run(ctx) })
	return lane, run.Wait
}

// Several processes keep one limit together, use all of it, and each gets a part.
func TestProcessesShareALane(t *testing.T) {
	t.Parallel()
	const limit, window, windows, processes, workers = 20, 500 * time.Millisecond, 6, 4, 4
	b := newPGBundle(t, limit, window)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	api := &simServer{start: time.Now(), window: window, limit: limit}
	shares := make([]int, processes)
	var all sync.WaitGroup
	for i := range processes {
		lane, end := b.process(ctx, t, "process")
		defer end()
		for range workers {
			all.Go(func() {
				for {
					g, err := lane.Acquire(ctx)
					if err != nil {
						return
					}
					api.call(true)
					answered := time.Now()
					api.mu.Lock()
					if shares[i]++; len(api.arrivals) > windows*limit {
						stop()
					}
					api.mu.Unlock()
					_ = b.SettleGrant(context.WithoutCancel(ctx), g.ID, time.Since(answered))
				}
			})
		}
	}
	all.Wait()
	best := windows * window
	took := api.arrivals[windows*limit].Sub(api.arrivals[0])
	t.Logf("%.1f %% of the limit used; shares %v", 100*best.Seconds()/took.Seconds(), shares)
	require.LessOrEqual(t, api.most(api.start), limit)
	require.Greater(t, best.Seconds()/took.Seconds(), 0.5, "a loaded machine may take its time, but no window")
	for _, n := range shares {
		require.Positive(t, n)
	}
}

// Grants of a killed process expire, and not too early.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	b := newPGBundle(t, 5, time.Minute)
	life, kill := context.WithCancel(t.Context())
	killed, gone := b.process(life, t, "killed")
	for range 3 {
		_, err := killed.Acquire(life)
		require.NoError(t, err)
	}
	kill()
	gone()

	ctx, stop := context.WithCancel(t.Context())
	lane, end := b.process(ctx, t, "other")
	for range 2 {
		_, err := lane.Acquire(ctx)
		require.NoError(t, err)
	}
	third := make(chan error)
	go func() {
		_, err := lane.Acquire(ctx)
		third <- err
	}()
	b.pass(t, "killed", testHold+arrivalTime+time.Minute-time.Second)
	require.Equal(t, 5, b.used(t), "a second before they expire they still count")
	require.NoError(t, <-third)
	stop()
	end()
	b.pass(t, "killed", time.Second)
	require.Equal(t, 3, b.used(t))
}

// pass makes the grants of a process older.
func (b *pgBundle) pass(t *testing.T, process string, d time.Duration) {
	t.Helper()
	_, err := b.Pool().Exec(t.Context(), `
		UPDATE lane_grant SET granted_at = granted_at - $2::interval, expires_at = expires_at - $2::interval
		WHERE process_id = $1`, process, d)
	require.NoError(t, err)
}

func (b *pgBundle) used(t *testing.T) int {
	t.Helper()
	state, known, err := records.Lane(t.Context(), b.DB, "default")
	require.NoError(t, err)
	require.True(t, known)
	return state.Used
}
