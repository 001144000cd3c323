//go:build unix

package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/standin"
)

// Two demos at once, in one folder and on one private server: both come out as
// they should. DATABASE_URL is left alone.
func TestDemo(t *testing.T) {
	b := setupPrivate(t, standin.Config{}).with("WEBFLOW_TOKEN", "")
	b = b.with("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none")
	first := b.start("", "demo")
	first.says("batch 1 is loaded")
	second := b.start("", "demo", "--json")
	v := second.wait().exits(exitOK).json()
	r := first.wait().exits(exitOK)
	require.Equal(t, "demo-2", v["site"])
	require.Equal(t, 494., v["succeeded"])
	require.NotZero(t, v["rate_limited"])
	require.Contains(t, r.stdout, "All as it should be: 494 assets have their new names")
	require.Contains(t, r.stdout, "relabel run names.csv --rehearse")
	require.Contains(t, r.stderr, "found 50 of 50 rows different")
	require.Contains(t, r.stderr, `put back the one: "renamed by hand.jpg"`)
	require.Contains(t, r.stderr, "unset DATABASE_URL")
	require.Equal(t, 1+500, strings.Count(b.read("relabel-demo-results.csv"), "\n"))
	require.Equal(t, 1+500, strings.Count(b.read("relabel-demo.csv"), "\n"))

	b = b.with("DATABASE_URL", "")
	loads := 0
	for _, batch := range b.ok("status", "--json").json()["batches"].([]any) {
		if batch.(map[string]any)["source"] == "relabel-demo.csv" {
			loads++
		}
	}
	require.Equal(t, 2, loads)
	require.Contains(t, b.ok("site", "list").stdout, "(a stand-in)")
	require.Contains(t, b.ok("db", "status").stdout, "is not running", "the last one out stopped it")
}

func TestPrivateServer(t *testing.T) {
	b := setupPrivate(t, standin.Config{Assets: 3})
	v := b.ok("db", "status", "--json").json()
	require.Equal(t, false, v["running"])
	require.Nil(t, v["pid"])
	for key := range v {
		require.Regexp(t, `^[a-z_]+$`, key)
	}
	b.ok("db", "stop")
	b.file("names.csv", names(3))
	b.ok("run", "names.csv") // it migrates by itself
	b.sentOnce(3)

	holder := b.start("", "db", "url")
	holder.says("it runs until you press Ctrl-C")
	v = b.ok("db", "status", "--json").json()
	require.Equal(t, true, v["running"])
	require.Contains(t, b.ok("db", "status").stdout, " runs, process ")
	b.run("db", "stop").fails(exitError, "in use by other relabel commands")

	t.Run("psql", func(t *testing.T) {
		r := b.ok("db", "psql", "--", "-Atc", "SELECT count(*) FROM relabel.rename")
		require.Equal(t, "3\n", r.stdout)
		r = b.run("db", "psql", "--", "-c", "SELECT nonsense").exits(exitError)
		require.Contains(t, r.stderr, `column "nonsense" does not exist`)
		require.NotContains(t, r.stderr, "error: ", "psql has said why")
	})
	t.Run("children do not get the token", func(t *testing.T) { // wait() looks for it in what they print
		require.Contains(t, b.ok("db", "psql", "--", "-c", `\! env`).stdout, "PATH=")
		env, err := os.ReadFile(fmt.Sprintf("/proc/%.0f/environ", v["pid"]))
		if err != nil {
			t.Skip("no /proc here")
		}
		require.NotContains(t, string(env), testToken)
	})
	holder.signal(syscall.SIGINT)
	require.Regexp(t, `^postgres://.*\n$`, holder.wait().exits(exitOK).stdout)
	require.Contains(t, b.ok("db", "status").stdout, "is not running")
}
