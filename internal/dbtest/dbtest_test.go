package dbtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
)

func databases(t *testing.T) []string {
	t.Helper()
	admin, err := server()
	require.NoError(t, err)
	conn, err := pgx.Connect(t.Context(), admin)
	require.NoError(t, err)
	rows, err := conn.Query(t.Context(), `SELECT datname FROM pg_database`)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.NoError(t, conn.Close(t.Context()))
	return names
}

func nameOf(t *testing.T, d *db.DB) (name string) {
	t.Helper()
	require.NoError(t, d.Pool().QueryRow(t.Context(), `SELECT current_database()`).Scan(&name))
	return name
}

// Each test gets a migrated database of its own, with a name that is never used again.
func TestNew(t *testing.T) {
	t.Parallel()
	var names []string
	t.Run("inner", func(t *testing.T) {
		one, two := New(t), New(t)
		for _, d := range []*db.DB{one, two} {
			names = append(names, nameOf(t, d))
			s, err := d.MigrationStatus(t.Context())
			require.NoError(t, err)
			require.True(t, s.Current())
		}
		require.NoError(t, one.SaveSite(t.Context(), db.Site{Name: "mine"}))
		sites, err := two.Sites(t.Context())
		require.NoError(t, err)
		require.Len(t, sites, 1)
	})
	require.NotEqual(t, names[0], names[1])
	later := New(t)
	require.NotContains(t, names, nameOf(t, later))
	sites, err := later.Sites(t.Context())
	require.NoError(t, err)
	require.Len(t, sites, 1)
}

func TestEmptyURL(t *testing.T) {
	t.Parallel()
	d := Open(t, EmptyURL(t))
	s, err := d.MigrationStatus(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.Version)
	require.Zero(t, s.River)
}

func TestIsLeft(t *testing.T) {
	t.Parallel()
	now := time.Now()
	tests := map[string]bool{
		databaseName(now): false,
		databaseName(now.Add(-abandonedAfter + time.Minute)): false,
		databaseName(now.Add(-abandonedAfter - time.Minute)): true,
		databaseName(now.Add(time.Hour)):                     false,
		"relabel_template_0123456789ab":                      false,
		"relabel_test_mine":                                  false,
		"relabel_test_00000000":                              false,
		"relabel":                                            false,
		"00000000_a":                                         false,
	}
	for name, want := range tests {
		require.Equal(t, want, isAbandoned(name, now), name)
	}
}

// A run drops the databases that a killed run left, unless somebody is connected.
func TestDropLeft(t *testing.T) {
	t.Parallel()
	admin, err := server()
	require.NoError(t, err)
	long := time.Now().Add(-2 * abandonedAfter)
	idle, used := databaseName(long), databaseName(long)
	for _, name := range []string{idle, used} {
		require.NoError(t, execAdmin(t.Context(), admin, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0", name)))
	}
	conn, err := pgx.Connect(t.Context(), withDatabase(t, admin, used))
	require.NoError(t, err)
	require.NoError(t, dropAbandoned(t.Context(), admin, time.Now()))
	names := databases(t)
	require.False(t, slices.Contains(names, idle))
	require.True(t, slices.Contains(names, used))
	require.NoError(t, conn.Close(t.Context()))
	require.NoError(t, execAdmin(t.Context(), admin, "DROP DATABASE IF EXISTS "+used+" WITH (FORCE)"))
}
