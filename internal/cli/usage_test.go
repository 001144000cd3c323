package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// Wrong usage is exit code 2 and one line, before anything is opened: there is
// no database here.
func TestUsage(t *testing.T) {
	b := setupPrivate(t, standin.Config{}).with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
	for _, c := range []struct{ args, want string }{
		{"--nope", "unknown flag: --nope; see `relabel --help`"},
		{"run --nope x.csv", "unknown flag: --nope; see `relabel run --help`"},
		{"run -z x.csv", "unknown shorthand flag: 'z' in -z"},
		{"rum", `there is no command "rum"; did you mean "run"?; see`},
		{"site lisst", `there is no command "site lisst"`},
		{"run", "`relabel run` takes one SOURCE"},
		{"run a.csv b.csv", "takes one SOURCE"},
		{"run a.csv --exec ls", "takes one SOURCE"},
		{"run --exec ls --exec-shell ls", "takes one SOURCE"},
		{"run --exec ls|cat", "--exec: the command has one of | & ; < > outside of quotes"},
		{"plan --exec 'ls", "--exec: the command has an open quote"},
		{"run a.csv --priority 5", "--priority is 1 (first) to 4 (last), not 5"},
		{"run a.csv --priority high", `--priority takes a whole number, not "high"`},
		{"run a.csv --priority", "flag needs an argument: --priority"},
		{"run a.csv --skip-invalid=perhaps", `--skip-invalid takes true or false, not "perhaps"`},
		{"run a.csv --concurrency 0", "--concurrency is 1 to 1,000, not 0"},
		{"run a.csv --site=", "--site is empty"},
		{"enqueue", "takes one SOURCE"},
		{"work now", "takes no arguments"},
		{"status seven", `"seven" is not a batch number`},
		{"status 0", "is not a batch number"},
		{"status 7 8", "takes one batch number"},
		{"results", "takes one batch number"},
		{"results 7 --format xml", `--format is csv or jsonl, not "xml"`},
		{"results 7 --status gone", `--status takes pending, sending, succeeded, failed, superseded, unchanged, conflict, cancelled, invalid, not "gone"`},
		{"batch pause", "takes one batch number"},
		{"batch 7", `there is no command "batch 7"`},
		{"migrate down", "confirm with `relabel migrate down --yes`"},
		{"site set --site Shop", "lower-case letters"},
		{"site set --site shop-", "lower-case letters"},
		{"site set --site all", "choose another name"},
		{"site set --site demo", "for stand-ins"},
		{"site remove", "takes the NAME of one site"},
		{"site remove shop --site blog", "omit --site"},
		{"site set --site-id 12", "24 lower-case hex digits"},
		{"site set --rate fast", "60/1m"},
		{"site set --locale-in header", "both, body or query"},
		{"site set --api-url http://example.com", "--api-url"},
		{"site set --token-env " + testToken[:24] + strings.Repeat("0", 40), "--token-env takes the name"},
		{"site set --token-env " + strings.Repeat("0a", 32), "this looks like a token"},
		{"db status now", "takes no arguments"},
		{"doctor now", "takes no arguments"},
		{"version now", "takes no arguments"},
		{"completion csh", `there is no command "completion csh"`},
		{"help nope", `there is no command "nope"`},
		{"run a.csv --rehearse --site shop", "omit --site"},
	} {
		t.Run(c.args, func(t *testing.T) {
			b := *b
			b.t = t
			b.run(strings.Fields(c.args)...).fails(exitUsage, c.want)
		})
	}
}

func TestWrongEnvironment(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	b.file("names.csv", names(1))
	for _, c := range []struct {
		name, value string
		code        int
		want        []string
	}{
		{"WEBFLOW_TOKEN", "", exitError, []string{"site default", "set WEBFLOW_TOKEN, or WEBFLOW_TOKEN_FILE"}},
		{"WEBFLOW_TOKEN", "Bearer " + testToken, exitUsage, []string{"WEBFLOW_TOKEN", "without the word Bearer"}},
		{"WEBFLOW_TOKEN", testToken + "\nx", exitUsage, []string{"WEBFLOW_TOKEN"}},
		{"WEBFLOW_API_URL", "http://example.com/v2", exitUsage, []string{"WEBFLOW_API_URL", "http://example.com/v2"}},
		{"RELABEL_LOG", "loud", exitUsage, []string{"RELABEL_LOG", "debug"}},
		{"RELABEL_LOG_FORMAT", "xml", exitUsage, []string{"RELABEL_LOG_FORMAT", `"xml"`, "json"}},
		{"WEBFLOW_RATE_LIMIT", "sixty", exitUsage, []string{"WEBFLOW_RATE_LIMIT", `"sixty"`, "60/1m"}},
		{"RELABEL_CALL_TIMEOUT", "1ms", exitUsage, []string{"RELABEL_CALL_TIMEOUT", "30s"}},
		{"DATABASE_URL", "postgres://user:sesame@127.0.0.1:1/db", exitError, []string{"127.0.0.1:1", "can't be reached"}},
		{"DATABASE_URL", "postgres://user:sesame@no-such-host.invalid/db", exitError, []string{"no-such-host.invalid:5432", "no such host"}},
		{"DATABASE_URL", "postgres://user:sesame@[::1:99/db", exitUsage, []string{"DATABASE_URL can't be read"}},
		{"DATABASE_URL", "host=127.0.0.1 port=1 password=sesame", exitError, []string{"127.0.0.1:1"}},
	} {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			b := b.with(c.name, c.value)
			b.t = t
			r := b.run("run", "names.csv").fails(c.code, c.want...)
			require.NotContains(t, r.stderr, "sesame")
		})
	}
	require.Zero(t, b.api.Calls())
	require.Empty(t, b.ok("status", "--json").json()["batches"], "something was loaded")
}

// A token file is read, and its path named when it can't be.
func TestTokenFile(t *testing.T) {
	b := setup(t, standin.Config{Assets: 2}).with("WEBFLOW_TOKEN", "")
	b.file("names.csv", names(2))
	b = b.with("WEBFLOW_TOKEN_FILE", "token.txt")
	b.run("run", "names.csv").fails(exitError, "token.txt")
	b.file("token.txt", testToken+"\n")
	b.ok("run", "names.csv")
	b.sentOnce(2)
}

// What needs no environment works when that is wrong.
func TestVersionHelpCompletion(t *testing.T) {
	b := setupPrivate(t, standin.Config{}).with("WEBFLOW_RATE_LIMIT", "sixty")
	require.Regexp(t, `^relabel \S+\n$`, b.ok("version").stdout)
	require.Regexp(t, `^relabel \S+\n$`, b.ok("--version").stdout)
	require.Contains(t, b.ok("version", "--json").json(), "version")
	help := b.ok("--help")
	require.Equal(t, help.stdout, b.ok("help").stdout)
	require.Equal(t, help.stdout, b.ok().stdout)
	require.Contains(t, b.ok("run", "--help").stdout, "- for standard input")
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, b.ok("completion", shell).stdout, "relabel")
	}
	b = b.with("WEBFLOW_RATE_LIMIT", "")
	require.Contains(t, b.ok("__complete", "results", "7", "--format", "").stdout, "jsonl")
	require.Contains(t, b.ok("__complete", "run", "").stdout, "csv\n")
}

// Every command tells what it does, and gives its words of the contract.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, command := range []string{
		"demo", "run", "enqueue", "work", "status", "results", "rows", "rows list", "rows show", "rows errors", "rows retry",
		"rows cancel", "why", "batch", "batch pause", "batch resume", "batch cancel",
		"site", "site list", "site set", "site resume", "migrate", "migrate up", "migrate down", "migrate status",
		"db", "db status", "db stop", "db psql", "db url", "doctor", "version",
	} {
		var out, errs bytes.Buffer
		require.Zero(t, Run(t.Context(), Params{Args: append(strings.Fields(command), "--help"), Out: &out, Err: &errs}), &errs)
		help := out.String()
		require.Contains(t, help, "relabel "+command)
		require.Contains(t, help, "--json")
		for _, line := range strings.Split(help, "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "-") { // flags have their own columns
				require.LessOrEqual(t, len([]rune(line)), 120, "%s: %s", command, line)
			}
		}
	}
}

// With --json an error is one object, also where the flags are wrong.
func TestErrorJSON(t *testing.T) {
	b := setup(t, standin.Config{})
	for args, want := range map[string]string{
		"status 7 --json":             `{"error":"no such batch: 7; ` + "`relabel status`" + ` lists those that exist","code":1}`,
		"status --nope --json":        `{"error":"unknown flag: --nope; see ` + "`relabel status --help`" + `","code":2}`,
		"results 7 --format x --json": `{"error":"--format is csv or jsonl, not \"x\"","code":2}`,
	} {
		require.Equal(t, want+"\n", b.run(strings.Fields(args)...).stderr)
	}
}

// Given nothing to set, `site set` shows what is set.
func TestSiteSetShows(t *testing.T) {
	b := setup(t, standin.Config{})
	b.ok("site", "set", "--site", "shop", "--rate", "120/1m")
	r := b.ok("site", "set", "--site", "shop")
	require.Contains(t, r.stdout, "nothing to change; site shop has these settings:\n")
	require.Contains(t, r.stdout, "--rate       120/1m\n")
	require.Equal(t, "120/1m", b.ok("site", "set", "--site", "shop", "--json").json()["rate_limit"])
}

// A worker says why its rows fail, without characters escaped twice or an asset that is not there.
func TestWhyRowsFail(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	b.enqueue("asset_id,display_name\n0000000000000000dead0000,x\n,no id\n", "--skip-invalid")
	r := b.run("work", "--until-done").exits(exitTrouble)
	require.Contains(t, r.errorLine(), "1 × resource_not_found")
	require.NotContains(t, b.ok("status", "1").stdout, "asset  →")
	r = b.pipe("asset_id,display_name\n\"a\tb\",x\n", "enqueue", "-").exits(exitError)
	require.Contains(t, r.stderr, `"a\u0009b"`)
}
