package dbtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// Patience bounds a wait for something that is sure to come, long for a busy machine.
const Patience = 30 * time.Second

// TB is what the helpers below need of a test: *testing.T, *testing.B and *rapid.T have it.
type TB interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// Database is a *db.DB, a *pg.DB or a test's bundle with one.
type Database interface {
	Pool() *pgxpool.Pool
}

// Exec runs a statement.
func Exec(t TB, d Database, sql string, args ...any) {
	t.Helper()
	_, err := d.Pool().Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// Value reads one value.
func Value[T any](t TB, d Database, sql string, args ...any) T {
	t.Helper()
	rows, err := d.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return v
}

// List reads one column.
func List[T any](t TB, d Database, sql string, args ...any) []T {
	t.Helper()
	rows, err := d.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	vs, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return vs
}

// Begin opens a transaction that ends with the test, however long it stands idle: a busy
// machine makes a test longer than the timeout of relabel's own transactions.
func Begin(t testing.TB, d Database) pgx.Tx {
	t.Helper()
	tx, err := d.Pool().Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = 0`)
	require.NoError(t, err)
	return tx
}

// RequireBlocked waits until so many statements of the database wait for a lock.
func RequireBlocked(t TB, d Database, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return n <= Value[int](t, d, `
			SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	}, Patience, time.Millisecond)
}
