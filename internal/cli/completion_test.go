package cli

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/pg"
	"relabel/internal/standin"
)

// offers runs a shell's request for completions. Like a person, it asks again when the
// answer is empty because a busy machine did not give one in time.
func (b *testBundle) offers(args ...string) (offered []string) {
	b.t.Helper()
	for range 20 {
		before := time.Now()
		offered = b.offersInTime(args...)
		if len(offered) > 0 || time.Since(before) < completeTime {
			break
		}
	}
	return offered
}

// offersInTime asks once. It requires silence on standard error, but for cobra's own line,
// which shells drop.
func (b *testBundle) offersInTime(args ...string) []string {
	b.t.Helper()
	r := b.ok(append([]string{"__complete"}, args...)...)
	require.Regexp(b.t, `^Completion ended with directive: [A-Za-z, ]+\n$`, r.stderr)
	lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
	return lines[:len(lines)-1] // the last is the directive
}

func TestCompletion(t *testing.T) {
	b := setup(t, standin.Config{Assets: 3})
	b.ok("site", "set", "--site", "shop")
	b.file("n.csv", names(3))
	b.ok("schedule", "add", "nightly", "n.csv", "--cron", "@daily")
	b.enqueue(names(3), "--name", "first names")
	b.enqueue(names(3), "--name", "second", "--site", "shop")
	b.ok("batch", "pause", "2")
	first, second := "1\tfirst names (active, site default)", "2\tsecond (paused, site shop)"

	require.Equal(t, []string{second, first}, b.offers("status", ""))
	require.Equal(t, []string{first}, b.offers("results", "1"))
	require.Equal(t, []string{second}, b.offers("status", "--site", "shop", ""))
	require.Equal(t, []string{first}, b.offers("batch", "pause", ""))
	require.Equal(t, []string{second}, b.offers("batch", "resume", ""))
	require.Empty(t, b.offers("apply", ""))
	require.Empty(t, b.offers("status", "1", ""))
	require.Equal(t, []string{second, first}, b.offers("enqueue", "n.csv", "--replace", ""))
	require.Equal(t, []string{second, first}, b.offers("rows", "list", "--batch", ""))
	require.Equal(t, []string{"default\tready", "shop\tready"}, b.offers("work", "--site", ""))
	require.Equal(t, []string{"nightly\t@daily for site default"}, b.offers("schedule", "run", ""))
	require.Equal(t, []string{"csv", "tsv", "txt", "gz", "xlsx"}, b.offers("schedule", "edit", "nightly", ""))

	b.ok("token", "create", "old")
	b.ok("token", "revoke", "old")
	b.ok("token", "create", "n8n", "--role", "write")
	require.Equal(t, []string{"n8n\tactive, write, site all"}, b.offers("token", "revoke", ""))
	require.Empty(t, b.offers("token", "revoke", "n8n", ""))
	require.Equal(t, []string{"look", "change"}, b.offers("serve", "--trust-role", ""))

	url := b.env["DATABASE_URL"]
	require.Equal(t, []string{first}, b.with("DATABASE_URL", "").offers("status", "--database-url", url, "1"), "flags before it count")
	require.Empty(t, b.with("WEBFLOW_RATE_LIMIT", "nonsense").offers("status", ""), "a wrong environment")
}

// Without a database that answers there is nothing to offer, soon and silently; and no
// private server is started for it.
func TestCompletionWithoutDatabase(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // only listened to
	b := setupPrivate(t, standin.Config{})
	require.Empty(t, b.offersInTime("status", ""))
	require.NoDirExists(t, b.env["RELABEL_STATE_DIR"])
	require.Empty(t, b.with("DATABASE_URL", "postgres://u:secret-of-u@127.0.0.1:1/d").offersInTime("status", ""))
	before := time.Now()
	require.Empty(t, b.with("DATABASE_URL", "postgres://u:secret-of-u@"+l.Addr().String()+"/d").offersInTime("status", ""))
	require.Less(t, time.Since(before), pg.ConnectTimeout, "it gives up sooner than a command")
}
