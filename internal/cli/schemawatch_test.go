package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/standin"
)

// A newer schema that has all that this program needs is used, with a warning. One that
// has not is refused before anything is done.
func TestNewerSchema(t *testing.T) {
	const rows = 3
	b := setup(t, standin.Config{Assets: rows}).with("DATABASE_URL", dbtest.EmptyURL(t))
	b.ok("migrate", "up")
	d := dbtest.Open(t, b.env["DATABASE_URL"])
	dbtest.Exec(t, d, `UPDATE schema_version SET version = 999`)
	require.Contains(t, b.ok("migrate", "up").stderr, "the database has schema 999, this relabel knows ")
	require.Contains(t, b.ok("doctor").stdout, "its schema is newer than this relabel, which may use it")
	b.file("names.csv", names(rows))
	require.Contains(t, b.ok("run", "names.csv").stderr, ": it goes on; upgrade it soon")
	b.sentOnce(rows)

	dbtest.Exec(t, d, `UPDATE schema_version SET compatible_from = 998`)
	for _, args := range [][]string{{"status"}, {"work"}, {"migrate", "up"}, {"run", "names.csv"}} {
		b.run(args...).fails(exitError, "the database has schema 999, which needs a relabel that knows schema 998", "install a newer relabel")
	}
	b.run("migrate", "down", "--yes").fails(exitError, "remove it with the newer relabel")
	require.Equal(t, rows, b.api.Calls())
}
