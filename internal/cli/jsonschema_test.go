package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/schedule"
	"relabel/internal/standin"
	"relabel/internal/usecase"
)

// jsonShape is one kind of object that commands print with --json.
type jsonShape struct {
	name     string
	value    any
	commands string // with commas between
	loads    bool   // a source, whose problems come first
}

func jsonShapes() []jsonShape {
	return []jsonShape{
		{"batch", report.Batch{}, "run, enqueue, demo, apply, status, batch pause, batch resume, batch cancel", true},
		{"batches", report.BatchList{}, "status", false},
		{"plan", madePlan{}, "plan", true},
		{"rename", renamedJSON{}, "rename", true},
		{"rules", rulesJSON{}, "rule list", false},
		{"rule", ruleView{}, "rule show", false},
		{"undo", usecase.Summary{}, "undo", false},
		{"replaced", replaced{}, "enqueue", true},
		{"refused", struct{}{}, "run, enqueue, plan", true},
		{"work", workedJSON{}, "work", false},
		{"result", records.Result{}, "results", false},
		{"verify", usecase.Verified{}, "verify", false},
		{"pull", pulled{}, "pull", false},
		{"rows", report.RowList{}, "rows list", false},
		{"causes", causesJSON{}, "rows errors", false},
		{"story", storyJSON{}, "rows show, why", false},
		{"retried_rows", db.Retried{}, "rows retry", false},
		{"cancelled_rows", db.Cancelled{}, "rows cancel", false},
		{"retried_batch", report.RetriedBatch{}, "batch retry", false},
		{"schedule", schedule.View{}, "schedule add, schedule edit, schedule pause, schedule resume", false},
		{"schedule_show", scheduleShowJSON{}, "schedule show", false},
		{"schedules", schedule.Views{}, "schedule list", false},
		{"run", schedule.RunView{}, "schedule run", false},
		{"history", schedule.History{}, "schedule history", false},
		{"removed", removedJSON{}, "schedule remove, rule delete", false},
		{"site", report.SiteView{}, "site set, site pause, site resume", false},
		{"sites", report.SiteList{}, "site list", false},
		{"removed_site", removedSiteJSON{}, "site remove", false},
		{"site_notices", siteNoticesJSON{}, "site notices", false},
		{"site_check", siteCheckJSON{}, "site check", false},
		{"dashboard", whereJSON{}, "serve", false},
		{"user", userJSON{}, "user hash", false},
		{"migration", pg.MigrationStatus{}, "migrate up, migrate down, migrate status", false},
		{"server", serverView{}, "db status", false},
		{"server_stopped", runningJSON{}, "db stop", false},
		{"server_url", urlJSON{}, "db url", false},
		{"pruned", prunedJSON{}, "prune, batch delete", false},
		{"new_token", newTokenJSON{}, "token create", false},
		{"token", db.Token{}, "token revoke", false},
		{"tokens", tokensJSON{}, "token list", false},
		{"doctor", findingsJSON{}, "doctor", false},
		{"version", versionJSON{}, "version", false},
		{"error", errorJSON{}, "any command that fails, on standard error", false},
	}
}

// schema is what the shape's type says. Lists are never null.
func (s jsonShape) schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	words := func(list []string) *jsonschema.Schema {
		enum := make([]any, len(list))
		for i, w := range list {
			enum[i] = w
		}
		return &jsonschema.Schema{Type: "string", Enum: enum}
	}
	opts := &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Time]():    {Type: "string", Format: "date-time"},
		reflect.TypeFor[db.RowStatus](): words(db.Words(db.Statuses())),
	}}
	out, err := jsonschema.ForType(reflect.TypeOf(s.value), opts)
	require.NoError(t, err, s.name)
	if s.loads {
		problems, err := jsonschema.For[[]report.ProblemView](opts)
		require.NoError(t, err)
		if out.Properties == nil {
			out.Properties = map[string]*jsonschema.Schema{}
		}
		out.Properties["problems"] = problems
		out.PropertyOrder = append(out.PropertyOrder, "problems")
	}
	noNullLists(out)
	out.Title = s.commands
	return out
}

func noNullLists(s *jsonschema.Schema) {
	if slices.Equal(s.Types, []string{"null", "array"}) {
		s.Types, s.Type = nil, "array"
	}
	if s.Items != nil {
		noNullLists(s.Items)
	}
	for _, p := range s.Properties {
		noNullLists(p)
	}
}

// TestJSONSchemaIsCurrent holds docs/json-schema.json against the types. After a change:
// go test ./internal/cli -run TestJSONSchemaIsCurrent -update
func TestJSONSchemaIsCurrent(t *testing.T) {
	all := &jsonschema.Schema{
		Schema:      "https://json-schema.org/draft/2020-12/schema",
		Title:       "What relabel prints with --json",
		Description: "Each entry of $defs is one object; its title names the commands that print it. results prints one object a line.",
		Defs:        map[string]*jsonschema.Schema{},
	}
	for _, s := range jsonShapes() {
		all.Defs[s.name] = s.schema(t)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	require.NoError(t, err)
	file := filepath.Join("..", "..", "docs", "json-schema.json")
	if *updateReference {
		require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o644))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(text)+"\n", strings.ReplaceAll(string(got), "\r\n", "\n"), "docs/json-schema.json is out of date: see this test's comment")
}

// jsonChecker checks what commands print against the shapes, and remembers which
// commands have printed something.
type jsonChecker struct {
	mu     sync.Mutex
	root   *cobra.Command
	shapes map[string][]*jsonschema.Resolved // by command
	seen   map[string]bool
}

//nolint:gochecknoglobals // all tests of the commands share it
var checker = &jsonChecker{}

func (c *jsonChecker) load(t *testing.T) {
	t.Helper()
	if c.root != nil {
		return
	}
	c.root, c.shapes, c.seen = newApp(Params{}).rootCommand(), map[string][]*jsonschema.Resolved{}, map[string]bool{}
	for _, s := range jsonShapes() {
		r, err := s.schema(t).Resolve(nil)
		require.NoError(t, err)
		for name := range strings.SplitSeq(s.commands, ", ") {
			c.shapes[name] = append(c.shapes[name], r)
		}
	}
}

// check is called for every run of every test of this package: each object on standard
// output has one of the shapes of its command, and so has an error.
func (c *jsonChecker) check(t *testing.T, args []string, r result) {
	t.Helper()
	if !slices.Contains(args, "--json") || args[0] == cobra.ShellCompRequestCmd {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load(t)
	cmd, _, err := c.root.Find(args)
	if err == nil && cmd != c.root {
		name := strings.TrimPrefix(cmd.CommandPath(), "relabel ")
		c.checkAll(t, r.stdout, name)
		c.seen[name] = c.seen[name] || r.stdout != ""
	}
	if at := strings.LastIndex("\n"+r.stderr, "\n{"); at >= 0 && r.code != 0 {
		c.checkAll(t, r.stderr[at:], "any command that fails", args...)
	}
}

func (c *jsonChecker) checkAll(t *testing.T, text, command string, args ...string) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v map[string]any
		err := d.Decode(&v)
		if err == io.EOF { //nolint:errorlint // Decode returns it as it is
			return
		}
		require.NoError(t, err, "%s %q prints no JSON:\n%s", command, args, text)
		require.NotEmpty(t, c.shapes[command], "jsonShapes has no object of %s, which prints\n%s", command, text)
		var why bytes.Buffer
		for _, s := range c.shapes[command] {
			if err = s.Validate(v); err == nil {
				break
			}
			why.WriteString(err.Error() + "\n")
		}
		require.NoError(t, err, "%s %q prints none of its shapes:\n%s\n%s", command, args, text, &why)
	}
}

// TestJSONOfEveryCommand runs all commands with --json; checkOutput compares what they
// print with the schema. Those of the private server are run without a database.
func TestJSONOfEveryCommand(t *testing.T) {
	b := setupSite(t, standin.Config{Assets: 6}).with("WEBFLOW_RATE_LIMIT", "")
	private := b.with("DATABASE_URL", "")
	b.file("n.csv", names(4)+"0000000000000000dead0000,nowhere.jpg\n")
	b.file("bad.csv", "asset_id,display_name\nbad,x\n"+standin.AssetID(0)+",\n"+standin.AssetID(5)+",five.jpg\n")
	ran := map[string]bool{"demo": true} // TestDemos runs it
	root := newApp(Params{}).rootCommand()
	run := func(b *testBundle, args string) result {
		cmd, _, err := root.Find(strings.Fields(args))
		require.NoError(t, err)
		name := strings.TrimPrefix(cmd.CommandPath(), "relabel ")
		ran[name] = true
		p := b.start("correct horse\n", append(strings.Fields(args), "--json")...)
		if slices.Contains([]string{"serve", "db url"}, name) {
			p.says("Ctrl-C")
			p.signal(syscall.SIGINT)
		}
		r := p.wait()
		t.Log(args, r.code, r.stderr)
		require.NotEmpty(t, r.stdout+r.stderr, args)
		return r
	}
	for _, args := range []string{
		"doctor", "version", "migrate status", "migrate up", "site list", "site set --rate none", "site check", "site notices", "status",
		"plan n.csv", "apply 1", "status 1", "work --until-done", "status", "results 1", "verify 1", "undo 1", "pull -o all.csv",
		"rows list", "rows list --limit 1", "rows errors", "rows show 1", "why " + standin.AssetID(0), "why 0000000000000000dead0000",
		"run bad.csv", "plan bad.csv", "run bad.csv --skip-invalid", "rows list --status invalid", "rows errors --status invalid",
		"batch retry 1", "batch pause 1", "status 1", "batch resume 1", "enqueue n.csv --replace 1 --yes",
		"rows cancel --batch 1 --yes", "rows retry --batch 1 --yes", "batch cancel 1", "site pause", "site resume", "site set --site shop", "site remove shop --yes",
		"schedule add nightly n.csv --cron @daily", "schedule edit nightly --cron @weekly", "schedule run nightly", "work --until-done",
		"schedule pause nightly", "schedule resume nightly", "schedule list", "schedule show nightly", "schedule history nightly",
		"schedule remove nightly", "rename --template x{n}-{stem} --save tidy", "rename --match nothing --template x", "rule list", "rule show tidy", "rule delete tidy", "token create n8n --role write", "token list", "token revoke n8n", "serve --listen 127.0.0.1:0", "user hash anna", "status 99", "nonsense",
		"prune --older-than 1d --yes", "prune --older-than 1d --dry-run", "batch delete 1 --yes", "migrate down --yes",
	} {
		run(b, args)
	}
	for _, args := range []string{"db status", "db url", "db stop", "db status"} {
		run(private, args)
	}
	requireAllRan(t, root, ran)
}

// requireAllRan also requires that each command has a shape.
func requireAllRan(t *testing.T, c *cobra.Command, ran map[string]bool) {
	t.Helper()
	for _, sub := range c.Commands() {
		name := strings.TrimPrefix(sub.CommandPath(), "relabel ")
		switch {
		case sub.HasSubCommands():
			requireAllRan(t, sub, ran)
		case !sub.Runnable() || slices.Contains([]string{"help", "db psql"}, name) || strings.HasPrefix(name, "completion"):
		default:
			require.True(t, ran[name], "%s is not run with --json", name)
			require.NotEmpty(t, checker.shapes[name], name)
		}
	}
}
