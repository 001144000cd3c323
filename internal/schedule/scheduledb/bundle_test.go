package scheduledb_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/schedule/scheduledb"
)

const process = "p1"

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

func noRuns(context.Context, pgx.Tx, []db.QueueRun) error { return nil }

// load loads a batch of the bundle's site.
func (b *testBundle) load(t testing.TB, targets ...string) dbtest.Loaded {
	t.Helper()
	return dbtest.Load(t, b.DB, dbtest.Params(b.site.ID, dbtest.Rows(targets...)))
}

// plan stores a plan of rows "asset=name".
func (b *testBundle) plan(t testing.TB, wishes ...string) dbtest.Loaded {
	t.Helper()
	p := dbtest.Params(b.site.ID, wished(wishes))
	p.Planned = true
	return dbtest.Load(t, b.DB, p)
}

func wished(wishes []string) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		for i, w := range wishes {
			asset, name, _ := strings.Cut(w, "=")
			if !yield(&db.SourceRow{Line: int64(i + 2), AssetID: asset, DisplayName: &name}, nil) {
				return
			}
		}
	}
}

// asWanted is a night that finds the site as its source wants it.
func (b *testBundle) asWanted(t testing.TB, s scheduledb.Schedule, wishes ...string) dbtest.Loaded {
	t.Helper()
	l, now := b.plan(t, wishes...), dbtest.Value[time.Time](t, b, `SELECT clock_timestamp()`)
	var states []db.AssetState
	for _, w := range wishes {
		asset, name, _ := strings.Cut(w, "=")
		states = append(states, db.AssetState{AssetID: asset, DisplayName: name, ReadAt: now})
	}
	require.NoError(t, b.SaveStates(t.Context(), b.site.ID, states))
	require.NoError(t, b.Compare(t.Context(), db.CompareParams{BatchID: l.Batch, Since: now, ReadBy: "list", Reads: 1}))
	require.NoError(t, b.Apply(t.Context(), db.ApplyParams{BatchID: l.Batch, Queue: dbtest.NoQueue}))
	b.ran(t, s, l.Batch)
	return l
}

func (b *testBundle) statuses(t testing.TB, batch int64) string {
	t.Helper()
	return strings.Join(dbtest.List[string](t, b, `SELECT status FROM rename WHERE batch_id = $1 ORDER BY id`, batch), " ")
}

func (b *testBundle) batchStatus(t testing.TB, batch int64) db.BatchStatus {
	t.Helper()
	return dbtest.Value[db.BatchStatus](t, b, `SELECT status FROM batch WHERE id = $1`, batch)
}
