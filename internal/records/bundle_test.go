package records_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
)

const (
	// quarantine is longer than any test runs.
	quarantine = time.Hour

	// jobKind is that of River jobs for rows.
	jobKind = "rename"

	// manyRows is how much the tables hold in which plans are looked at.
	manyRows = 50_000
)

type testBundle struct {
	*db.DB

	site db.Site
}

// setup gives a migrated database with the default site.
func setup(t testing.TB) *testBundle {
	t.Helper()
	b := &testBundle{DB: dbtest.New(t)}
	var err error
	b.site, err = b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	return b
}

// elsewhere is another site of the same database.
func (b *testBundle) elsewhere(t testing.TB) *testBundle {
	t.Helper()
	name := "s" + uuid.NewString()
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: name}))
	site, err := b.SiteByName(t.Context(), name)
	require.NoError(t, err)
	return &testBundle{DB: b.DB, site: site}
}

// load loads a batch of the bundle's site.
func (b *testBundle) load(t testing.TB, targets ...string) dbtest.Loaded {
	t.Helper()
	return dbtest.Load(t, b.DB, b.params(dbtest.Rows(targets...)))
}

func (b *testBundle) params(rows iter.Seq2[*db.SourceRow, error]) db.LoadParams {
	return dbtest.Params(b.site.ID, rows)
}

// numbered makes rows of different targets.
func numbered(n int) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		name := "name"
		for i := range n {
			if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: fmt.Sprint("a", i), DisplayName: &name}, nil) {
				return
			}
		}
	}
}

func (b *testBundle) statuses(t testing.TB, batch int64) string {
	t.Helper()
	return strings.Join(dbtest.List[string](t, b, `SELECT status FROM rename WHERE batch_id = $1 ORDER BY id`, batch), " ")
}

func ptr[T any](v T) *T { return &v }

// serverMajor is the major version of the tests' PostgreSQL.
func (b *testBundle) serverMajor(t testing.TB) int {
	t.Helper()
	return dbtest.Value[int](t, b, `SELECT current_setting('server_version_num')::int / 10000`)
}
