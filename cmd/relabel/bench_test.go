package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"relabel/internal/embedpg"
	"relabel/internal/pg"
	"relabel/internal/webflow"
)

const (
	benchToken   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	benchWorkers = 100 // calls in flight, the same for both sides
	benchRows    = 20_000
	benchRounds  = 3 // by turns: a machine that gets slower does so for both

	// roleVariable makes this test program one of the processes of the benchmark.
	roleVariable = "RELABEL_BENCH_ROLE"
)

func TestMain(m *testing.M) {
	roles := map[string]func(context.Context) error{"api": serveAPI, "bare": workBare}
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// BenchmarkOutside measures the built program as a user runs it: `relabel work --until-done` on b.N renames (20,000 at
// least) that are loaded already, with no limit, against a server in a process of its own, on a private PostgreSQL with
// fsync. Bare River, in a process of its own too, sends the same PATCH for as many jobs with no guarantee at all. Each
// time is a process's whole life. "ratio" is what the guarantees leave of bare River's speed.
func BenchmarkOutside(b *testing.B) {
	o := setupOutside(b, max(b.N, benchRows))
	var relabel, bare time.Duration
	for round := range benchRounds {
		relabel += o.relabelRound(b, fmt.Sprintf("relabel_%d", round))
		bare += o.bareRound(b, fmt.Sprintf("bare_%d", round))
	}
	perSecond := func(d time.Duration) float64 { return float64(o.rows*benchRounds) / d.Seconds() }
	b.ReportMetric(0, "ns/op") // it says nothing: b.N may be 1
	b.ReportMetric(perSecond(relabel), "relabel/s")
	b.ReportMetric(perSecond(bare), "bare/s")
	b.ReportMetric(bare.Seconds()/relabel.Seconds(), "ratio")
}

// outside is what the processes of the benchmark share.
type outside struct {
	rows             int
	dir, binary, api string
	server           *embedpg.Server
}

func setupOutside(b *testing.B, rows int) *outside {
	b.Helper()
	dir, err := os.MkdirTemp("", "relabel-bench-*")
	require.NoError(b, err)
	require.NoError(b, os.Chmod(dir, 0o755)) // the server's account enters it
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := &outside{rows: rows, dir: dir, binary: filepath.Join(dir, "relabel")}
	out, err := exec.CommandContext(b.Context(), "go", "build", "-o", o.binary, ".").CombinedOutput()
	require.NoError(b, err, "%s", out)
	o.server, err = embedpg.Open(b.Context(), embedpg.Config{StateDir: filepath.Join(dir, "state")})
	require.NoError(b, err)
	b.Cleanup(func() { _ = o.server.Close(context.WithoutCancel(b.Context())) })
	o.startAPI(b)
	return o
}

// startAPI starts the server in its own process, which prints its address.
func (o *outside) startAPI(b *testing.B) {
	b.Helper()
	cmd := o.command(b, "api")
	stdout, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	o.api, err = bufio.NewReader(stdout).ReadString('\n')
	require.NoError(b, err)
	o.api = strings.TrimSpace(o.api)
}

// command is this test program in another role.
func (o *outside) command(b *testing.B, role string, env ...string) *exec.Cmd {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append([]string{roleVariable + "=" + role, "PATH=" + os.Getenv("PATH"), "BENCH_API=" + o.api}, env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// database makes an empty database, and returns its URL.
func (o *outside) database(b *testing.B, name string) string {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), o.server.URL())
	require.NoError(b, err)
	_, err = conn.Exec(b.Context(), "CREATE DATABASE "+name)
	require.NoError(b, err)
	require.NoError(b, conn.Close(b.Context()))
	u, err := url.Parse(o.server.URL())
	require.NoError(b, err)
	u.Path = "/" + name
	return u.String()
}

// relabel runs the built program to its end.
func (o *outside) relabel(b *testing.B, database, input string, args ...string) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), o.binary, args...)
	cmd.Dir = o.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + o.dir, "DATABASE_URL=" + database,
		"WEBFLOW_TOKEN=" + benchToken, "WEBFLOW_API_URL=" + o.api, "WEBFLOW_RATE_LIMIT=none",
	}
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	require.NoError(b, err, "relabel %s: %s", args, out)
}

func (o *outside) relabelRound(b *testing.B, name string) time.Duration {
	b.Helper()
	database := o.database(b, name)
	o.relabel(b, database, "", "migrate", "up")
	var rows strings.Builder
	rows.WriteString("asset_id,display_name\n")
	for i := range o.rows {
		fmt.Fprintf(&rows, "%024x,name %d.jpg\n", i, i)
	}
	o.relabel(b, database, rows.String(), "enqueue", "-")
	start := time.Now()
	o.relabel(b, database, "", "work", "--until-done", "--concurrency", fmt.Sprint(benchWorkers))
	return time.Since(start)
}

func (o *outside) bareRound(b *testing.B, name string) time.Duration {
	b.Helper()
	database := o.database(b, name)
	cmd := o.command(b, "bare", "BENCH_DATABASE="+database, fmt.Sprintf("BENCH_ROWS=%d", o.rows))
	insertBare(b, database, o.rows)
	start := time.Now()
	require.NoError(b, cmd.Run())
	return time.Since(start)
}

type bareArgs struct {
	AssetID string `json:"asset_id"`
}

func (bareArgs) Kind() string { return "bare" }

func insertBare(b *testing.B, database string, rows int) {
	b.Helper()
	pool, err := pgxpool.New(b.Context(), database)
	require.NoError(b, err)
	defer pool.Close()
	_, err = pool.Exec(b.Context(), "CREATE SCHEMA "+pg.Schema)
	require.NoError(b, err)
	tables, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: pg.Schema}) // with all of River's indexes
	require.NoError(b, err)
	_, err = tables.Migrate(b.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(b, err)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Schema: pg.Schema})
	require.NoError(b, err)
	params := make([]river.InsertManyParams, rows)
	for i := range params {
		params[i] = river.InsertManyParams{Args: bareArgs{AssetID: fmt.Sprintf("%024x", i)}}
	}
	_, err = client.InsertManyFast(b.Context(), params)
	require.NoError(b, err)
}

type bareWorker struct {
	river.WorkerDefaults[bareArgs]

	client *webflow.Client
	places chan struct{} // one for each call in flight
	left   atomic.Int64
	done   chan struct{}
}

func (w *bareWorker) Work(ctx context.Context, job *river.Job[bareArgs]) error {
	name := "n"
	w.places <- struct{}{}
	_, err := w.client.UpdateAsset(ctx, webflow.UpdateAssetParams{AssetID: job.Args.AssetID, DisplayName: &name})
	<-w.places
	if w.left.Add(-1) == 0 {
		close(w.done)
	}
	return err
}

// workBare is the process of bare River: it works all jobs and ends.
func workBare(ctx context.Context) error {
	var rows int64
	if _, err := fmt.Sscan(os.Getenv("BENCH_ROWS"), &rows); err != nil {
		return err
	}
	token, err := webflow.NewToken(benchToken)
	if err != nil {
		return err
	}
	api, err := webflow.NewClient(webflow.Config{BaseURL: os.Getenv("BENCH_API"), Token: token, MaxIdleConns: benchWorkers})
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Getenv("BENCH_DATABASE")+"&pool_max_conns=12") // as many as relabel has
	if err != nil {
		return err
	}
	defer pool.Close()
	w := &bareWorker{client: api, places: make(chan struct{}, benchWorkers), done: make(chan struct{})}
	w.left.Store(rows)
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Schema: pg.Schema, Logger: slog.New(slog.DiscardHandler), Workers: workers,
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4 * benchWorkers}}, // as relabel's
		FetchCooldown: time.Millisecond,                                                                 // River's shortest: fetching does not hold it back
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	<-w.done
	return client.Stop(ctx) // its last jobs are recorded as completed
}

// serveAPI is the process that answers any PATCH as the API does, as fast as it can.
func serveAPI(ctx context.Context) error {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":%q,"displayName":"n","lastUpdated":"2026-01-01T00:00:00Z"}`, path.Base(r.URL.Path))
	}))
	defer s.Close()
	fmt.Println(s.URL)
	<-ctx.Done()
	return nil
}
