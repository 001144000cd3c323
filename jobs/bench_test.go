package jobs_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const (
	benchWorkers = 100 // the same for both sides

	// benchRenames are enough that starting and stopping do not show; -benchtime
	// 50000x asks for more.
	benchRenames = 20_000

	// benchRounds are taken by turns, so that a machine that gets slower does so
	// for both.
	benchRounds = 2
)

// patchServer answers any PATCH as the API does, as fast as it can.
func patchServer(b *testing.B) *httptest.Server {
	b.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q,"displayName":"n","lastUpdated":"2026-01-01T00:00:00Z"}`, path.Base(r.URL.Path))
	}))
	b.Cleanup(s.Close)
	return s
}

func benchClient(b *testing.B, url string) *webflow.Client {
	b.Helper()
	token, err := webflow.NewToken("benchmark-token")
	require.NoError(b, err)
	c, err := webflow.NewClient(webflow.Config{BaseURL: url, Token: token, MaxIdleConns: benchWorkers})
	require.NoError(b, err)
	return c
}

func assetID(i int) string { return fmt.Sprintf("%024x", i) }

// BenchmarkPipeline sends b.N renames, 20,000 at least, through load, feed and
// work with every guarantee on (the throttle off), and has bare River insert as
// many jobs and send the same PATCH with no guarantee at all. "ratio" is what the
// guarantees leave of bare River's speed; compare nothing else between two runs.
func BenchmarkPipeline(b *testing.B) {
	n := max(b.N, benchRenames) / benchRounds
	var relabel, bare time.Duration
	for range benchRounds {
		relabel += benchRelabel(b, n)
		bare += benchBareRiver(b, n)
	}
	perSecond := func(d time.Duration) float64 { return float64(n*benchRounds) / d.Seconds() }
	b.ReportMetric(0, "ns/op") // it says nothing: b.N may be 1
	b.ReportMetric(perSecond(relabel), "relabel/s")
	b.ReportMetric(perSecond(bare), "bare/s")
	b.ReportMetric(bare.Seconds()/relabel.Seconds(), "ratio")
}

// benchRelabel takes the time from the load's beginning to the batch's end.
func benchRelabel(b *testing.B, n int) time.Duration {
	ctx := b.Context()
	d := dbtest.New(b)
	site, err := d.SiteByName(ctx, db.DefaultSite)
	require.NoError(b, err)
	pool, err := jobs.NewPool(ctx, jobs.Config{
		DB: d, Concurrency: benchWorkers, CallTimeout: 30 * time.Second, Logger: slog.New(slog.DiscardHandler), Limits: jobs.DefaultLimits(),
		Sites: []jobs.SiteConfig{{
			Site: site, Client: benchClient(b, patchServer(b).URL),
			Lane: db.LaneSettings{Fingerprint: "bench", Window: time.Minute},
		}},
	})
	require.NoError(b, err)
	require.NoError(b, pool.Start(ctx))
	start := time.Now()
	batch, err := d.Load(ctx, db.LoadParams{
		SiteID: site.ID, Name: "bench", Source: "bench", Priority: 2,
		Rows: func(yield func(*db.SourceRow, error) bool) {
			name := "n"
			for i := range n {
				if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: assetID(i), DisplayName: &name}, nil) {
					return
				}
			}
		},
		Queue: func(ctx context.Context, tx pgx.Tx) error {
			_, err := jobs.Feed(ctx, tx, pool.Client(), site, jobs.DefaultWindow)
			return err
		},
	})
	require.NoError(b, err)
	require.Eventually(b, func() bool {
		st, err := records.Batch(ctx, d, batch)
		return err == nil && st.Status == "done" && st.Succeeded == int64(n)
	}, 10*time.Minute, 10*time.Millisecond)
	took := time.Since(start)
	require.NoError(b, pool.Stop(ctx))
	return took
}

type bareArgs struct {
	AssetID string `json:"asset_id"`
}

func (bareArgs) Kind() string { return "bare" }

type bareWorker struct {
	river.WorkerDefaults[bareArgs]
	client *webflow.Client
	left   atomic.Int64
	done   chan struct{}
}

func (w *bareWorker) Work(ctx context.Context, job *river.Job[bareArgs]) error {
	name := "n"
	_, err := w.client.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: job.Args.AssetID, DisplayName: &name})
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
	return err
}

// benchBareRiver takes the time from the first insert to the last answer.
func benchBareRiver(b *testing.B, n int) time.Duration {
	ctx := b.Context()
	d := dbtest.New(b)
	w := &bareWorker{client: benchClient(b, patchServer(b).URL), done: make(chan struct{})}
	w.left.Store(int64(n))
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(riverpgxv5.New(d.Pool()), &river.Config{
		Schema: pg.Schema, Logger: slog.New(slog.DiscardHandler), Workers: workers,
		Queues:        map[string]river.QueueConfig{"default": {MaxWorkers: benchWorkers}},
		FetchCooldown: 20 * time.Millisecond, // as relabel's: both fetch alike
	})
	require.NoError(b, err)
	require.NoError(b, client.Start(ctx))
	start := time.Now()
	for from := 0; from < n; from += jobs.DefaultWindow {
		params := make([]river.InsertManyParams, 0, jobs.DefaultWindow)
		for i := from; i < min(from+jobs.DefaultWindow, n); i++ {
			params = append(params, river.InsertManyParams{Args: bareArgs{AssetID: assetID(i)}})
		}
		_, err := client.InsertManyFast(ctx, params)
		require.NoError(b, err)
	}
	<-w.done
	took := time.Since(start)
	require.NoError(b, client.Stop(ctx))
	return took
}
