package pg_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

// warm makes a pooler open n connections, which stay for the next clients.
func warm(t *testing.T, url string, n int) {
	t.Helper()
	for range n {
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		defer conn.Close(t.Context()) //nolint:errcheck // the pooler keeps its own
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), `SELECT`, pgx.QueryExecModeExec)
		require.NoError(t, err)
	}
}

// A pooler that shares its connections is refused, however it chooses them.
func TestTransactionPoolerIsRefused(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		mode string
		warm int
		more []string
	}{
		"transaction":            {mode: "transaction"},
		"statement":              {mode: "statement"},
		"connections there":      {mode: "transaction", warm: 4},
		"taken in turn":          {mode: "transaction", warm: 4, more: []string{"server_round_robin = 1"}},
		"pretends to know us":    {mode: "transaction", more: []string{"ignore_startup_parameters = search_path,statement_timeout"}},
		"one connection for all": {mode: "transaction", more: []string{"default_pool_size = 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := dbtest.PgBouncer(t, dbtest.EmptyURL(t), tt.mode, tt.more...)
			warm(t, url, tt.warm)
			_, err := pg.Open(t.Context(), pg.Config{URL: url})
			var pooler *pg.PoolerError
			require.ErrorAs(t, err, &pooler)
			require.ErrorContains(t, err, "DATABASE_URL leads through a connection pooler in transaction mode")
			require.ErrorContains(t, err, "pool_mode = session")
		})
	}
}

// In session mode a connection has its settings, and migrations run.
func TestSessionPooler(t *testing.T) {
	t.Parallel()
	url := dbtest.PgBouncer(t, dbtest.EmptyURL(t), "session")
	warm(t, url, 2)
	b := &testBundle{DB: dbtest.Open(t, url), url: url}
	require.True(t, b.Pooled())
	require.NoError(t, b.Migrate(t.Context()))
	require.True(t, b.migrationStatus(t).Current())
	require.Equal(t, pg.Schema, value[string](t, b, `SHOW search_path`))
	require.Equal(t, "10s", value[string](t, b, `SHOW idle_in_transaction_session_timeout`))
	require.NoError(t, b.MigrateDown(t.Context()))
}

func TestPoolerWithOneConnection(t *testing.T) {
	t.Parallel()
	url := dbtest.PgBouncer(t, dbtest.EmptyURL(t), "session", "default_pool_size = 1", "query_wait_timeout = 1")
	_, err := pg.Open(t.Context(), pg.Config{URL: url})
	require.ErrorContains(t, err, "gave relabel no second connection (")
	require.ErrorContains(t, err, "needs up to 12: raise its pool size")
	require.NotContains(t, err.Error(), "any@")
}

func TestServerIsNoPooler(t *testing.T) {
	t.Parallel()
	require.False(t, setup(t).Pooled())
}

func TestInsteadOfPooler(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host string
		port uint16
		want string
	}{
		{"ep-cool-frost-1234-pooler.eu-central-1.aws.neon.tech", 5432, "the host ep-cool-frost-1234.eu-central-1.aws.neon.tech, without -pooler"},
		{"aws-0-eu-central-1.pooler.supabase.com", 6543, "port 5432 instead of 6543"},
		{"db.abcdefgh.supabase.co", 6543, "port 5432 instead of 6543"},
		{"aws-0-eu-central-1.pooler.supabase.com", 5432, "pool_mode = session"},
		{"db.example.com", 6543, "pool_mode = session"},
		{"localhost", 6432, "pool_mode = session"},
	} {
		require.Contains(t, pg.Instead(tt.host, tt.port), tt.want, tt.host)
	}
}
