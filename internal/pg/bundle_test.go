package pg_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

// patience bounds a wait for something that is sure to come, long for a busy machine.
const patience = 30 * time.Second

type testBundle struct {
	*db.DB

	url string
}

// setup gives a migrated database.
func setup(t testing.TB) *testBundle {
	t.Helper()
	url := dbtest.URL(t)
	return &testBundle{DB: dbtest.Open(t, url), url: url}
}

// openWith opens the bundle's database with a setting in its URL.
func (b *testBundle) openWith(t *testing.T, setting string) *pg.DB {
	t.Helper()
	d, err := pg.Open(t.Context(), pg.Config{URL: b.url + "&" + setting})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

func (b *testBundle) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	_, err := b.Pool().Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// value reads one value.
func value[T any](t testing.TB, b *testBundle, sql string, args ...any) T {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return v
}

// list reads one column.
func list[T any](t testing.TB, b *testBundle, sql string, args ...any) []T {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), sql, args...)
	require.NoError(t, err)
	vs, err := pgx.CollectRows(rows, pgx.RowTo[T])
	require.NoError(t, err)
	return vs
}

// requireBlocked waits until so many statements of the database wait for a lock.
func (b *testBundle) requireBlocked(t testing.TB, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		return n <= value[int](t, b, `
			SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
	}, patience, time.Millisecond)
}

// begin opens a transaction that ends with the test.
func begin(t testing.TB, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

// settle loads a row, and sends it.
func (b *testBundle) settle(t testing.TB) {
	t.Helper()
	id := b.load(t)
	claims, err := b.Claim(t.Context(), db.ClaimParams{ProcessID: "p1", RenameIDs: []int64{id}, Lease: time.Hour})
	require.NoError(t, err)
	require.Equal(t, db.Claimed, claims[0].Verdict)
	done, err := b.Finish(t.Context(), db.FinishParams{ProcessID: "p1", Finishes: []db.Finish{{
		RenameID: id, Fence: claims[0].Fence, Status: db.RowSucceeded, Called: true, Outcome: db.OutcomeSucceeded,
	}}})
	require.NoError(t, err)
	require.Equal(t, map[int64]db.RowStatus{id: db.RowSucceeded}, done)
}

// load loads one row.
func (b *testBundle) load(t testing.TB) (id int64) {
	t.Helper()
	site := value[int](t, b, `SELECT id FROM site WHERE name = $1`, db.DefaultSite)
	name := "a name"
	batch, err := b.Load(t.Context(), db.LoadParams{
		SiteID: site, Name: "batch", Source: "test", Priority: 2,
		Rows: func(yield func(*db.SourceRow, error) bool) {
			yield(&db.SourceRow{Line: 2, AssetID: "a", DisplayName: &name}, nil)
		},
		Queue: func(context.Context, pgx.Tx) error { return nil },
	})
	require.NoError(t, err)
	return value[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1`, batch)
}
