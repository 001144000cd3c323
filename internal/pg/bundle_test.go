package pg_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

const patience = dbtest.Patience

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
	dbtest.Exec(t, b, sql, args...)
}

func value[T any](t testing.TB, b *testBundle, sql string, args ...any) T {
	t.Helper()
	return dbtest.Value[T](t, b, sql, args...)
}

// load loads one row of the default site. The site is not read, as its query needs the
// newest migration.
func (b *testBundle) load(t testing.TB) dbtest.Loaded {
	t.Helper()
	site := value[int](t, b, `SELECT id FROM site WHERE name = $1`, db.DefaultSite)
	return dbtest.Load(t, b.DB, dbtest.Params(site, dbtest.Rows("a")))
}
