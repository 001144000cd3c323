package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

func scrape(r *Registry) string {
	w := httptest.NewRecorder()
	r.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// What a process without metrics calls does nothing.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	var r *Registry
	s := r.Site("shop")
	require.Nil(t, s)
	s.Call(KindRename, "succeeded", 200, time.Second)
	s.WaitForGrant()()
	s.Turn(1, 2, time.Second)
	s.Feed(3, time.Second)
}

func TestCounts(t *testing.T) {
	t.Parallel()
	r := New(Config{DB: dbtest.New(t), Version: "1.2.3"})
	s := r.Site("shop")
	s.Call(KindRename, "retry", 0, time.Second)
	s.Call(KindRead, "failed", 99_999, time.Second)
	s.Turn(0, 3, time.Second)
	s.Feed(7, time.Second)
	done := s.WaitForGrant()
	require.Contains(t, scrape(r), `relabel_grants_waiting{site="shop"} 1`)
	done()
	text := scrape(r)
	for _, line := range []string{
		`relabel_calls_total{kind="rename",outcome="retry",site="shop",status="none"} 1`,
		`relabel_calls_total{kind="read",outcome="failed",site="shop",status="other"} 1`,
		`relabel_turn_rows_sum{site="shop",step="finish"} 3`,
		`relabel_fed_jobs_total{site="shop"} 7`,
		`relabel_grants_waiting{site="shop"} 0`,
		`relabel_grant_wait_seconds_count{site="shop"} 1`,
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, text, `step="claim"`)
	require.Regexp(t, `relabel_build_info\{goversion="go.*",version="1.2.3"\} 1`, text)
}

// The figures of sites and schedules in trouble, or that nobody has worked yet.
func TestFigures(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.NoError(t, d.SaveSite(t.Context(), db.Site{Name: "other"}))
	dbtest.Exec(t, d, `UPDATE site SET parked_at = now(), parked_reason = 'refused', paused_at = now() WHERE name = 'other'`)
	dbtest.Exec(t, d, `UPDATE breaker SET opened_at = now() FROM site s WHERE s.id = site_id AND s.name = 'other'`)
	dbtest.Exec(t, d, `
		INSERT INTO lane (fingerprint, call_limit, call_window, blocked_until) VALUES ('l', NULL, '1 min', now() + interval '1 h');
		UPDATE site SET lane = 'l' WHERE name = 'other';
		INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up, paused_at)
		SELECT 'nightly', id, '@daily', 'UTC', '/a.csv', '1 h', now() FROM site WHERE name = 'other';
		INSERT INTO schedule_run (schedule_id, due_at, status, finished_at)
		SELECT id, now(), v.status, v.at FROM schedule, (VALUES ('done', timestamptz '2026-01-02 03:04:05Z'), ('failed', now())) v (status, at)`)
	text := scrape(New(Config{DB: d}))
	for _, line := range []string{
		`relabel_site_parked{site="default"} 0`, `relabel_site_parked{site="other"} 1`,
		`relabel_site_paused{site="other"} 1`, `relabel_breaker_open{site="other"} 1`,
		`relabel_rows{site="default",status="pending"} 0`, `relabel_site_workers{site="default"} 0`,
		`relabel_schedule_paused{schedule="nightly",site="other"} 1`,
		`relabel_schedule_last_success_timestamp_seconds{schedule="nightly",site="other"} 1.767323045e+09`,
		`relabel_schedule_last_result{result="failed",schedule="nightly",site="other"} 1`,
		`relabel_river_jobs{queue="site-other",state="available"} 0`,
	} {
		require.Contains(t, text, line)
	}
	require.Regexp(t, `relabel_rate_limit_blocked_seconds\{site="other"\} 3[56]\d\d`, text)
	for _, missing := range []string{`relabel_rate_limit_calls{`, `relabel_rate_limit_blocked_seconds{site="default"}`, `relabel_schedule_next_run_timestamp_seconds{`} {
		require.NotContains(t, text, missing)
	}
}

// A rehearsal or a demo that was interrupted raises no alert.
func TestStandIn(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	require.NoError(t, d.SaveSite(t.Context(), db.Site{Name: "rehearsal"}))
	dbtest.Exec(t, d, `
		INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up)
		SELECT 'nightly', id, '@daily', 'UTC', '/a.csv', '1 h' FROM site WHERE name = 'rehearsal'`)
	text := scrape(New(Config{DB: d, StandIn: func(site string) bool { return site == "rehearsal" }}))
	require.Contains(t, text, `site="default"`)
	require.NotContains(t, text, `site="rehearsal"`)
}

// Plans are no rows to send; those of paused and cancelled batches are.
func TestRowFigures(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	site, err := d.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	dbtest.Exec(t, d, `
		INSERT INTO batch (site_id, name, source, status, acceptance, total, sending, succeeded, failed) VALUES
			($1, 'a', '', 'active', 1, 10, 2, 3, 1), ($1, 'b', '', 'paused', 2, 5, 1, 0, 0),
			($1, 'c', '', 'cancelled', 3, 4, 0, 1, 0), ($1, 'd', '', 'done', 4, 1, 0, 1, 0),
			($1, 'plan', '', 'planned', NULL, 100, 0, 0, 0)`, site.ID)
	text := scrape(New(Config{DB: d}))
	for _, line := range []string{
		`relabel_rows{site="default",status="pending"} 11`, `relabel_rows{site="default",status="sending"} 3`,
		`relabel_rows{site="default",status="succeeded"} 5`, `relabel_rows{site="default",status="failed"} 1`,
		`relabel_open_rows{site="default",state="active"} 6`, `relabel_open_rows{site="default",state="paused"} 5`,
		`relabel_open_batches{site="default"} 2`,
	} {
		require.Contains(t, text, line)
	}
	require.NotContains(t, text, "relabel_estimated_end_seconds", "no worker: no estimate")

	dbtest.Exec(t, d, `
		INSERT INTO lane (fingerprint, call_limit, call_window) VALUES ('l', 2, '1 min');
		UPDATE site SET lane = 'l' WHERE name = 'default';
		INSERT INTO process (id, command, version, host, pid, sites) SELECT 'p', '', '', '', 1, ARRAY [id] FROM site`)
	text = scrape(New(Config{DB: d}))
	require.Contains(t, text, `relabel_site_workers{site="default"} 1`)
	require.Regexp(t, `relabel_estimated_end_seconds\{site="default"\} (60|59\.)`, text, "four calls, two a minute")
}

// A reading of the database serves all scrapes of the next seconds, also one that failed.
func TestReadEvery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		readings := 0
		f := &figures{read: func(context.Context) (snapshot, error) {
			readings++
			return snapshot{sites: make([]records.SiteFigures, readings)}, errors.New("no database")
		}}
		for range 3 {
			s, err := f.fresh()
			require.Error(t, err)
			require.Len(t, s.sites, 1)
		}
		time.Sleep(readEvery) //nolint:forbidigo // the bubble's clock
		s, _ := f.fresh()
		require.Len(t, s.sites, 2)
	})
}

// Without the database the process's own counters are still there.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	r := New(Config{DB: d})
	r.Site("shop").Feed(1, time.Second)
	d.Close()
	text := scrape(r)
	require.Contains(t, text, "relabel_database_up 0")
	require.Contains(t, text, `relabel_fed_jobs_total{site="shop"} 1`)
	require.NotContains(t, text, "relabel_rows")
}

func TestServe(t *testing.T) {
	t.Parallel()
	r := New(Config{DB: dbtest.New(t)})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Serve(ctx, l) }()
	for path, want := range map[string]int{"/metrics": http.StatusOK, "/": http.StatusNotFound} {
		res, err := http.Get("http://" + l.Addr().String() + path)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, path)
		require.Equal(t, want == http.StatusOK, strings.Contains(string(text), "relabel_build_info"))
	}
	for host, want := range map[string]int{"evil.example": http.StatusForbidden, "evil.example:80": http.StatusForbidden, "localhost:1": http.StatusOK, "[::1]": http.StatusOK} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+"/metrics", nil)
		require.NoError(t, err)
		req.Host = host
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, host)
	}
	stop()
	require.NoError(t, <-ended)
	require.ErrorContains(t, r.Serve(t.Context(), l), "error serving the metrics")
}
