package schedule

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/config"
	"relabel/internal/dbtest"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
	"relabel/internal/usecase"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const (
	// patience bounds a wait for something that is sure to come, long for a busy
	// machine.
	patience = 8 * time.Minute
	poll     = 20 * time.Millisecond
)

// TestMain lets more tests run at once than there are processors: these wait for
// workers nearly all of their time.
func TestMain(m *testing.M) {
	dbtest.AtOnce(6)
	os.Exit(m.Run())
}

// clock is a hand that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now(context.Context) (time.Time, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, nil
}

func (c *clock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// testBundle is a site with a stand-in, a CSV, a clock, and a process that works
// it, whose turns the test takes.
type testBundle struct {
	*db.DB

	t      testing.TB
	url    string
	api    *standin.Server
	site   db.Site
	sites  []db.Site // that its processes work
	clock  *clock
	runner *Runner
	csv    string
	env    map[string]string
}

// at2 is two in the night, when the schedules of these tests are due.
func at2(day int) time.Time { return time.Date(2027, 5, day, 2, 0, 0, 0, time.UTC) }

func setup(t testing.TB, assets int) *testBundle {
	t.Helper()
	url := dbtest.URL(t)
	api, err := standin.Start(standin.Config{Assets: assets})
	require.NoError(t, err)
	t.Cleanup(api.Close)
	b := &testBundle{
		DB: dbtest.Open(t, url), t: t, url: url, api: api, clock: &clock{at: at2(1).Add(-time.Hour)},
		csv: filepath.Join(t.TempDir(), "names.csv"), env: map[string]string{},
	}
	b.env["RELABEL_SOURCE_DIRS"] = filepath.Dir(b.csv)
	id := standin.SiteID
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: db.DefaultSite, WebflowSiteID: &id}))
	b.site, err = b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	b.sites = []db.Site{b.site}
	b.runner = b.another()
	return b
}

// addSite makes another site of the same stand-in, which processes work from now on.
func (b *testBundle) addSite(name string) db.Site {
	b.t.Helper()
	require.NoError(b.t, b.SaveSite(b.t.Context(), db.Site{Name: name, WebflowSiteID: b.site.WebflowSiteID}))
	site, err := b.SiteByName(b.t.Context(), name)
	require.NoError(b.t, err)
	b.sites = append(b.sites, site)
	return site
}

// another starts a process that works the sites, with connections of its own.
func (b *testBundle) another() *Runner {
	b.t.Helper()
	return b.anotherWith(func(*Config) {})
}

func (b *testBundle) anotherWith(change func(*Config)) *Runner {
	b.t.Helper()
	d := dbtest.Open(b.t, b.url)
	token, err := webflow.NewToken("schedule-test-token")
	require.NoError(b.t, err)
	client, err := webflow.NewClient(webflow.Config{BaseURL: b.api.URL(), Token: token, Timeout: 20 * time.Second})
	require.NoError(b.t, err)
	b.t.Cleanup(client.CloseIdleConnections)
	var sites []jobs.SiteConfig
	for _, site := range b.sites {
		sites = append(sites, jobs.SiteConfig{Site: site, Client: client, Lane: db.LaneSettings{
			Fingerprint: token.Fingerprint(), Window: time.Minute, Fixed: true,
		}})
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := Config{
		DB: d, Sites: sites, CallTimeout: 20 * time.Second, Logger: log, Now: b.clock.now,
		Sources: Sources{
			LookupEnv: func(name string) (string, bool) { v, ok := b.env[name]; return v, ok },
			maxSource: 1 << 20,
		},
	}
	settings, err := config.Read(cfg.LookupEnv)
	require.NoError(b.t, err)
	cfg.SourceDirs, cfg.AllowSourceEnv, cfg.CommandEnv = settings.SourceDirs, settings.AllowSourceEnv, settings.CommandEnv
	change(&cfg)
	r := New(cfg)
	pool, err := jobs.NewPool(b.t.Context(), jobs.Config{
		DB: d, Sites: sites, CallTimeout: 20 * time.Second, Limits: jobs.DefaultLimits(), Command: "test", Logger: log,
		Times: jobs.Times{FeedEvery: time.Second},
		Kinds: r.Kinds, Queues: r.Queues(),
	})
	require.NoError(b.t, err)
	r.Attach(pool)
	require.NoError(b.t, pool.Start(b.t.Context()))
	b.t.Cleanup(func() {
		r.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = pool.Stop(ctx)
	})
	return r
}

func wanted(asset int) string { return fmt.Sprintf("wanted %d.jpg", asset) }

// write makes a CSV that wants assets from the first to beyond the last named so.
func (b *testBundle) write(from, to int) {
	b.t.Helper()
	b.writeRows("asset_id,display_name", func(w io.Writer) {
		for i := from; i < to; i++ {
			fmt.Fprintf(w, "%s,%s\n", standin.AssetID(i), wanted(i))
		}
	})
}

func (b *testBundle) writeRows(header string, rows func(io.Writer)) {
	b.t.Helper()
	f, err := os.Create(b.csv)
	require.NoError(b.t, err)
	buf := bufio.NewWriter(f)
	fmt.Fprintln(buf, header)
	rows(buf)
	require.NoError(b.t, buf.Flush())
	require.NoError(b.t, f.Close())
}

// agree names all assets as the CSV wants them, but not those.
func (b *testBundle) agree(assets int, but ...int) {
	b.t.Helper()
	differ := map[int]bool{}
	for _, i := range but {
		differ[i] = true
	}
	for i := range assets {
		if !differ[i] {
			b.api.SetName(standin.AssetID(i), "", wanted(i))
		}
	}
}

// add makes the schedule "nightly", due at two on the first.
func (b *testBundle) add(change func(*scheduledb.Schedule)) scheduledb.Schedule {
	b.t.Helper()
	due := at2(1)
	s := scheduledb.Schedule{
		Name: "nightly", SiteID: b.site.ID, Cron: "0 2 * * *", TimeZone: "UTC", CSV: &b.csv,
		Mode: "changed", Overlap: "skip", CatchUp: 12 * time.Hour, NextRunAt: &due,
	}
	if change != nil {
		change(&s)
	}
	require.NoError(b.t, scheduledb.Add(b.t.Context(), b.DB, s))
	return b.schedule()
}

func (b *testBundle) schedule() scheduledb.Schedule {
	b.t.Helper()
	s, err := scheduledb.ByName(b.t.Context(), b.DB, "nightly")
	require.NoError(b.t, err)
	return s
}

// turn does what the loops of the process do, once.
func (b *testBundle) turn() {
	b.t.Helper()
	_, err := b.runner.Turn(b.t.Context())
	require.NoError(b.t, err)
	require.NoError(b.t, b.runner.Tidy(b.t.Context()))
}

// runs are the schedule's, the oldest first.
func (b *testBundle) runs() []scheduledb.Run {
	b.t.Helper()
	list, err := scheduledb.Runs(b.t.Context(), b.DB, b.schedule().ID, 100)
	require.NoError(b.t, err)
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func (b *testBundle) last() scheduledb.Run {
	b.t.Helper()
	runs := b.runs()
	require.NotEmpty(b.t, runs)
	return runs[len(runs)-1]
}

// until takes turns until it is so.
func (b *testBundle) until(what string, so func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			require.FailNow(b.t, "never: "+what, "%+v", b.runs())
		}
		<-tick.C
		b.turn()
	}
}

// run comes to a moment and takes turns until the newest run has that status.
func (b *testBundle) run(at time.Time, status scheduledb.RunStatus) scheduledb.Run {
	b.t.Helper()
	b.clock.set(at)
	b.turn()
	b.until("the last run is "+string(status), func() bool { return b.last().Status == status })
	return b.last()
}

func (b *testBundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.Pool().Exec(b.t.Context(), sql, args...)
	require.NoError(b.t, err)
}

// apply does what `relabel apply` does.
func (b *testBundle) apply(batch int64) error {
	b.t.Helper()
	u := &usecase.Service{DB: b.DB, Logger: slog.New(slog.DiscardHandler)}
	return u.Apply(b.t.Context(), usecase.Actor{}, usecase.ApplyParams{BatchID: batch, AsShown: true})
}

// events are what somebody is to be told, the oldest first.
func (b *testBundle) events() []string {
	b.t.Helper()
	rows, err := b.Pool().Query(b.t.Context(), `SELECT event FROM notice ORDER BY id`)
	require.NoError(b.t, err)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(b.t, err)
	return list
}

// calls counts those that arrived, by method.
func (b *testBundle) calls() map[string]int {
	n := map[string]int{}
	for _, c := range b.api.Log() {
		n[c.Method]++
	}
	return n
}
