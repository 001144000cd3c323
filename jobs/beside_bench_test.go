package jobs_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
	"relabel/jobs"
)

// stopwatch knows the longest pause between two moments.
type stopwatch struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration
}

func (s *stopwatch) mark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.last.IsZero() {
		s.longest = max(s.longest, now.Sub(s.last))
	}
	s.last = now
}

// take gives the longest pause since it was asked last.
func (s *stopwatch) take() time.Duration {
	s.mark()
	s.mu.Lock()
	defer s.mu.Unlock()
	longest := s.longest
	s.longest = 0
	return longest
}

// beside is a site that sends all the time, and one where huge batches come and go, worked by one process.
type beside struct {
	*testing.B

	db    *db.DB
	pool  *jobs.Pool
	site  db.Site // of the huge batches
	calls stopwatch
	pause struct {
		sync.Mutex

		longest time.Duration
	}
}

// BenchmarkBeside loads, loads again, applies, undoes, cancels and retries b.N rows on one site while another site of
// the same process sends. For each step it reports the longest time without a call of the other site, and the longest
// that pausing and parking the same site took. Use -benchtime 1000000x.
func BenchmarkBeside(b *testing.B) {
	s := newBeside(b)
	stop := s.keepPausing()
	defer stop()
	first := s.step("load", func() int64 { return s.load(false) })
	s.step("again", func() int64 { return s.load(false) })
	plan := s.load(true)
	s.step("apply", func() int64 { s.apply(plan); return plan })
	s.exec(`
		UPDATE rename SET status = 'succeeded', finished_at = clock_timestamp(), fence = 1, before_at = now(), before_name = 'old',
			lease_until = NULL WHERE batch_id = $1 AND status IN ('pending', 'sending')`, plan)
	s.exec(`UPDATE batch SET succeeded = total - superseded, sending = 0, status = 'done', finished_at = now() WHERE id = $1`, plan)
	undo := s.step("undo", func() int64 {
		u, err := s.db.Undo(b.Context(), db.UndoParams{BatchID: plan})
		require.NoError(b, err)
		s.apply(u.BatchID)
		return u.BatchID
	})
	s.step("cancel", func() int64 {
		_, err := s.db.CancelBatch(b.Context(), undo, nil)
		require.NoError(b, err)
		return undo
	})
	s.step("retry", func() int64 {
		got, err := records.RetryRows(b.Context(), s.db, records.RowFilter{Batch: undo, Statuses: []db.RowStatus{"cancelled"}}, nil)
		require.NoError(b, err)
		require.InDelta(b, s.rows(), got.Pending, 5000, "all but those that were sent")
		return undo
	})
	require.NotZero(b, first)
	b.ReportMetric(0, "ns/op")
}

func newBeside(b *testing.B) *beside {
	s := &beside{B: b, db: dbtest.New(b)}
	ctx := b.Context()
	require.NoError(b, s.db.SaveSite(ctx, db.Site{Name: "steady"}))
	steady, err := s.db.SiteByName(ctx, "steady")
	require.NoError(b, err)
	s.site, err = s.db.SiteByName(ctx, db.DefaultSite)
	require.NoError(b, err)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-time.After(20 * time.Millisecond) // as an API does: the machine is for the database
		s.calls.mark()
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"id":"`+path.Base(r.URL.Path)+`","displayName":"n","lastUpdated":"2026-01-01T00:00:00Z"}`)
	}))
	b.Cleanup(api.Close)
	s.pool, err = jobs.NewPool(ctx, jobs.Config{
		DB: s.db, Concurrency: 4, CallTimeout: 30 * time.Second, Logger: slog.New(slog.DiscardHandler),
		Sites: []jobs.SiteConfig{
			{Site: steady, Client: benchClient(b, api.URL), Lane: db.LaneSettings{Fingerprint: "steady", Window: time.Minute}},
			{
				Site: s.site, Client: benchClient(b, patchServer(b).URL),
				Lane: db.LaneSettings{Fingerprint: "huge", Limit: 60, Window: time.Minute, Fixed: true},
			},
		},
	})
	require.NoError(b, err)
	s.loadOf(steady, 500_000, false)
	require.NoError(b, s.pool.Start(ctx))
	b.Cleanup(func() { _ = s.pool.Stop(context.Background()) })
	return s
}

func (s *beside) exec(sql string, args ...any) {
	_, err := s.db.Pool().Exec(s.Context(), sql, args...)
	require.NoError(s, err)
}

// step does one thing and reports what it cost the others.
func (s *beside) step(name string, do func() int64) int64 {
	s.calls.take()
	start := time.Now()
	id := do()
	s.ReportMetric(time.Since(start).Seconds(), name+"-s")
	s.ReportMetric(s.calls.take().Seconds(), name+"-gap-s")
	s.pause.Lock()
	defer s.pause.Unlock()
	s.ReportMetric(s.pause.longest.Seconds(), name+"-pause-s")
	s.pause.longest = 0
	return id
}

// keepPausing pauses, parks and resumes the site of the huge batches all the time.
func (s *beside) keepPausing() (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			start := time.Now()
			_, err := s.db.PauseSite(ctx, s.site.ID, n%2 == 0)
			if err == nil {
				err = s.db.ParkSite(ctx, s.site.ID, "huge", "a test")
			}
			if err == nil {
				_, err = s.db.UnparkSite(ctx, s.site.ID)
			}
			if err != nil {
				return
			}
			s.pause.Lock()
			s.pause.longest = max(s.pause.longest, time.Since(start))
			s.pause.Unlock()
			<-time.After(100 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

func (s *beside) load(planned bool) int64 { return s.loadOf(s.site, s.rows(), planned) }

// rows is b.N. Go begins with 1, and a few rows would all be sent before they can be undone or cancelled.
func (s *beside) rows() int { return max(s.N, 10_000) }

func (s *beside) loadOf(site db.Site, rows int, planned bool) int64 {
	name := "n"
	id, err := s.db.Load(s.Context(), db.LoadParams{
		SiteID: site.ID, Name: "bench", Source: "bench", Priority: 2, Planned: planned, Queue: s.queue(site),
		Rows: func(yield func(*db.SourceRow, error) bool) {
			for i := range rows {
				if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: assetID(i), DisplayName: &name}, nil) {
					return
				}
			}
		},
	})
	require.NoError(s, err)
	return id
}

func (s *beside) apply(plan int64) {
	require.NoError(s, s.db.Apply(s.Context(), db.ApplyParams{BatchID: plan, Queue: s.queue(s.site)}))
}

func (s *beside) queue(site db.Site) func(context.Context, pgx.Tx) error {
	return func(ctx context.Context, tx pgx.Tx) error {
		_, err := jobs.Feed(ctx, tx, s.pool.Client(), site, jobs.DefaultWindow)
		return err
	}
}
