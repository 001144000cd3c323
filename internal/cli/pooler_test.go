package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

// All of a run goes through a pooler in session mode.
func TestSessionPooler(t *testing.T) {
	const rows = 40
	b := setup(t, standin.Config{Assets: rows})
	b = b.with("DATABASE_URL", dbtest.PgBouncer(t, dbtest.EmptyURL(t), "session", "default_pool_size = 40"))
	b.ok("migrate", "up")
	require.Contains(t, b.ok("doctor").stdout, "through a pooler in session mode")
	b.file("names.csv", names(rows))
	require.InEpsilon(t, rows, b.ok("run", "names.csv", "--json").json()["succeeded"], 0)
	b.sentOnce(rows)
}

// A pooler in transaction mode is refused in one line, which says what to use.
func TestTransactionPooler(t *testing.T) {
	b := setup(t, standin.Config{Assets: 1})
	require.Contains(t, b.ok("doctor").stdout, "works without a pooler")
	b = b.with("DATABASE_URL", dbtest.PgBouncer(t, b.env["DATABASE_URL"], "transaction"))
	b.file("names.csv", names(1))
	for _, args := range [][]string{{"run", "names.csv"}, {"work"}, {"migrate", "up"}, {"serve"}} {
		r := b.run(args...).fails(exitUsage, "a connection pooler in transaction mode (127.0.0.1:", "use the server's own address")
		require.NotContains(t, r.stderr, "any@")
	}
	require.Contains(t, b.run("doctor").exits(exitError).stdout, "PROBLEM  database  DATABASE_URL leads through a connection pooler")
	require.Zero(t, b.api.Calls())
}

// A role with the rights of docs/operations.md can do all of it, and undo it.
func TestOrdinaryRole(t *testing.T) {
	const rows = 40
	b := setup(t, standin.Config{Assets: rows})
	b = b.with("DATABASE_URL", dbtest.OrdinaryRole(t, dbtest.EmptyURL(t)))
	b.ok("migrate", "up")
	b.ok("doctor")
	b.ok("site", "set", "--site-id", standin.SiteID)
	b.file("names.csv", names(rows))
	b.ok("plan", "names.csv")
	b.ok("apply", "1")
	b.ok("work", "--until-done")
	require.InEpsilon(t, rows, b.ok("status", "1", "--json").json()["succeeded"], 0)
	b.ok("verify", "1")
	b.ok("undo", "1", "--apply", "--yes")
	b.ok("rows", "list")
	b.ok("migrate", "down", "--yes")
	b.ok("migrate", "up")
}
