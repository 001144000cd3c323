package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"relabel/internal/standin"
)

func TestMetricsUsage(t *testing.T) {
	b := setup(t, standin.Config{})
	for _, args := range []string{"work --metrics here", "work --metrics 70000", "serve --metrics 127.0.0.1:", "serve --metrics http://127.0.0.1:1"} {
		b.run(strings.Fields(args)...).fails(exitUsage, "--metrics takes a port or an address and port")
	}
	for given, want := range map[string]string{"9464": "127.0.0.1:9464", ":9464": "127.0.0.1:9464", "0.0.0.0:9464": "0.0.0.0:9464", "[::]:0": "[::]:0"} {
		f := metricsFlag{given}
		require.NoError(t, f.check())
		require.Equal(t, want, f.addr)
	}
}

var metricsAddress = regexp.MustCompile(`the metrics are at http://(127\.0\.0\.1:\d+)/metrics`)

// scrapes returns where a process shows its metrics, and a function that reads them.
func (p *process) scrapes() (address string, read func() string) {
	p.b.t.Helper()
	p.says("/metrics")
	found := metricsAddress.FindStringSubmatch(p.stderr.String())
	require.NotNil(p.b.t, found, &p.stderr)
	return found[1], func() string {
		res, err := http.Get("http://" + found[1] + "/metrics")
		require.NoError(p.b.t, err)
		defer res.Body.Close() //nolint:errcheck // was only read
		text, err := io.ReadAll(res.Body)
		require.NoError(p.b.t, err)
		require.Equal(p.b.t, http.StatusOK, res.StatusCode, string(text))
		return string(text)
	}
}

// A process that works shows what it did and what the database holds. The dashboard and the
// alerts in docs/ops use nothing that it does not show.
func TestMetrics(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 12}).with("WEBFLOW_RATE_LIMIT", "1000/1m")
	b.api.FailAsset(standin.AssetID(1), standin.Status(http.StatusNotFound))
	b.api.FailAsset(standin.AssetID(2), standin.RateLimited("0"))
	b.file("nightly.csv", "asset_id,display_name\n"+standin.AssetID(11)+",nightly.jpg\n")
	b.ok("schedule", "add", "nightly", "nightly.csv", "--cron", "@daily")
	b.ok("schedule", "run", "nightly")
	b.enqueue(names(10))
	b.ok("batch", "pause", b.enqueue("asset_id,display_name\n"+standin.AssetID(10)+",paused.jpg\n"))

	p := b.start("", "work", "--metrics", "0")
	_, scrape := p.scrapes()
	text := ""
	require.Eventually(t, func() bool {
		text = scrape()
		return strings.Contains(text, `relabel_schedule_last_result{result="done",schedule="nightly",site="default"} 1`) &&
			strings.Contains(text, `relabel_open_rows{site="default",state="active"} 0`)
	}, patience, 500*time.Millisecond, "the metrics never showed the end")
	for _, line := range []string{
		`relabel_database_up 1`,
		`relabel_rows{site="default",status="succeeded"} 10`,
		`relabel_rows{site="default",status="failed"} 1`,
		`relabel_rows{site="default",status="pending"} 1`,
		`relabel_open_rows{site="default",state="paused"} 1`,
		`relabel_open_batches{site="default"} 1`,
		`relabel_site_workers{site="default"} 1`,
		`relabel_site_parked{site="default"} 0`,
		`relabel_breaker_open{site="default"} 0`,
		`relabel_estimated_end_seconds{site="default"} 0`,
		`relabel_rate_limit_calls{site="default"} 1000`,
		`relabel_rate_limit_window_seconds{site="default"} 60`,
		`relabel_calls_total{kind="rename",outcome="succeeded",site="default",status="200"} 10`,
		`relabel_calls_total{kind="rename",outcome="failed",site="default",status="404"} 1`,
		`relabel_calls_total{kind="rename",outcome="rate_limited",site="default",status="429"} 1`,
		`relabel_call_duration_seconds_count{kind="rename",site="default"} 12`,
		`relabel_turn_rows_sum{site="default",step="finish"} 12`,
		`relabel_grants_waiting{site="default"} 0`,
		`relabel_river_jobs{queue="site-default",state="discarded"} 0`,
		`relabel_db_connections_max 12`,
	} {
		require.Contains(t, text, "\n"+line+"\n", text)
	}
	require.Regexp(t, `relabel_calls_total\{kind="read",outcome="succeeded",site="default",status="200"\} [1-9]`, text, "the schedule's")
	requireMetricsOf(t, text, expressions(t))
	for _, secret := range []string{testToken, standin.AssetID(1), ".jpg"} {
		require.NotContains(t, text, secret)
	}
	p.signal(syscall.SIGTERM)
	p.wait().exits(exitOK)
}

// The dashboard's process shows the figures too, but never on the address of its pages.
func TestServeMetrics(t *testing.T) {
	b := setup(t, standin.Config{})
	b.ok("batch", "pause", b.enqueue(names(3)))
	p := b.start("", "serve", "--listen", "127.0.0.1:0", "--metrics", ":0")
	address, text := p.scrapes()
	require.Contains(t, text(), `relabel_rows{site="default",status="pending"} 3`)
	require.Contains(t, text(), `relabel_site_workers{site="default"} 0`)
	b.run("serve", "--listen", "127.0.0.1:0", "--metrics", address).fails(exitError, "choose another address with --metrics")

	p = b.start("", "work", "--serve", "127.0.0.1:0", "--metrics", "0")
	p.says("working on site default")
	_, text = p.scrapes()
	require.Contains(t, text(), `relabel_rows{site="default",status="pending"} 3`)
	pages := linkPattern.FindStringSubmatch(p.stderr.String())
	require.NotNil(t, pages, &p.stderr)
	status, _ := newVisitor(t, pages[1], nil).do(http.MethodGet, "/metrics", nil)
	require.Equal(t, http.StatusUnauthorized, status)
}

// expressions are the queries of the files in docs/ops.
func expressions(t *testing.T) (list []string) {
	t.Helper()
	var dashboard struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}
	require.NoError(t, json.Unmarshal([]byte(opsFile(t, "grafana.json")), &dashboard))
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			list = append(list, target.Expr)
		}
	}
	for _, r := range alertRules(t) {
		list = append(list, r.Expr)
	}
	require.Greater(t, len(list), 30)
	return list
}

func opsFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ops", name))
	require.NoError(t, err)
	return string(text)
}

type alertRule struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func alertRules(t *testing.T) []alertRule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []alertRule
		}
	}
	d := yaml.NewDecoder(strings.NewReader(opsFile(t, "alerts.yml")))
	d.KnownFields(true)
	require.NoError(t, d.Decode(&file))
	require.Len(t, file.Groups, 1)
	return file.Groups[0].Rules
}

// requireMetricsOf requires that the output has every metric, and every label, of the queries.
func requireMetricsOf(t *testing.T, text string, queries []string) {
	t.Helper()
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+)(?:\{.*\})? `).FindAllStringSubmatch(text, -1) {
		shown[m[1]] = true
	}
	for _, query := range queries {
		used := regexp.MustCompile(`\b(?:relabel|process|go)_[a-z_]+`).FindAllString(query, -1)
		require.NotEmpty(t, used, query)
		for _, name := range used {
			require.True(t, shown[name], "no metric %s, which is used in %s", name, query)
		}
	}
	for name := range shown { // docs describe what there is
		if strings.HasPrefix(name, "relabel_") {
			name = regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			named := strings.Contains(operations(t), "`"+name) // require.Contains would print all of it
			require.True(t, named, "docs/operations.md does not name %s", name)
		}
	}
}

func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	require.NoError(t, err)
	return string(text)
}

// Alerts say what happened and what to do, with commands that exist.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	root := newApp(Params{}).rootCommand()
	for _, r := range alertRules(t) {
		require.Regexp(t, `^Relabel[A-Z]`, r.Alert)
		require.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.NotEmpty(t, r.Annotations["description"], r.Alert)
		for _, m := range regexp.MustCompile(`relabel ((?:[a-z]+ ?)+)((?:--[a-z-]+ ?)*)`).FindAllStringSubmatch(r.Annotations["description"], -1) {
			if m[1] == "makes one call every " {
				continue // a sentence
			}
			cmd, rest, err := root.Find(strings.Fields(m[1]))
			require.NoError(t, err, m[0])
			require.Empty(t, rest, m[0])
			for _, flag := range strings.Fields(m[2]) {
				require.NotNil(t, cmd.Flag(strings.TrimPrefix(flag, "--")), m[0])
			}
		}
	}
}

// promtool is Prometheus's own check. It also reads the dashboard's queries, as rules. Without it the test is skipped, unless
// RELABEL_REQUIRE_PROMTOOL is set.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("RELABEL_REQUIRE_PROMTOOL") != "" {
		t.Fatal("promtool is not installed, and RELABEL_REQUIRE_PROMTOOL wants it")
	}
	if err != nil {
		t.Skip("promtool is not installed: TestAlertRules and TestMetrics check the files without it")
	}
	var queries strings.Builder
	queries.WriteString("groups:\n- name: queries\n  rules:\n")
	for i, query := range expressions(t) {
		fmt.Fprintf(&queries, "  - record: query_%d\n    expr: %q\n", i, query)
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	require.NoError(t, os.WriteFile(file, []byte(queries.String()), 0o600))
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", file, filepath.Join("..", "..", "docs", "ops", "alerts.yml")).CombinedOutput()
	require.NoError(t, err, string(out))
}
