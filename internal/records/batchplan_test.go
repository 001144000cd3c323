package records_test

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/internal/records"
)

// fillBatches makes sites with a long past: 100,000 batches of the bundle's site
// that have ended, and among them a few others of another.
func (b *testBundle) fillBatches(t *testing.T) (other *testBundle) {
	t.Helper()
	dbtest.Exec(t, b, `ALTER TABLE batch SET (autovacuum_enabled = off)`)
	other = b.elsewhere(t)
	dbtest.Exec(t, b, `
		INSERT INTO batch (site_id, name, source, status, acceptance, total, succeeded, finished_at)
		SELECT CASE WHEN i % 10000 = 0 THEN $2::int ELSE $1::int END, 'old', 'test', CASE WHEN i % 3 = 0 THEN 'cancelled' ELSE 'done' END,
			i, 1, 1, now() - (100000 - i) * interval '1 minute'
		FROM generate_series(1, 100000) i`, b.site.ID, other.site.ID)
	dbtest.Exec(t, b, `UPDATE acceptance SET last = 100000`)
	require.NoError(t, b.EnsureLane(t.Context(), b.site.ID, db.LaneSettings{Fingerprint: "f1", Limit: 60, Window: time.Minute, Fixed: true}))
	b.load(t, "a", "b")
	_, err := b.PauseBatch(t.Context(), b.load(t, "c").Batch, nil)
	require.NoError(t, err)
	cancelled := b.load(t, "d").Batch
	require.NoError(t, pgx.BeginFunc(t.Context(), b.Pool(), func(tx pgx.Tx) error {
		return db.CancelBatches(t.Context(), tx, []int64{cancelled}, "not wanted")
	}))
	return other
}

// What is asked all day long reads the batches that it is about, however many a
// site has had, and whatever PostgreSQL knows of them.
func TestBatchPlans(t *testing.T) {
	t.Parallel()
	for _, statistics := range []string{"none", "all"} {
		t.Run(statistics, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			other := b.fillBatches(t)
			if statistics == "all" {
				dbtest.Exec(t, b, `ANALYZE`)
			}
			b.requirePages(t, other.site.Name)
		})
	}
}

func (b *testBundle) requirePages(t *testing.T, otherSite string) {
	t.Helper()
	const few = 1000 // 20 of them with their ends and what comes first; the table has 2,500, and with an index it is 5,600
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	moving := pg.ReadStatements(os.DirFS("../../db"))
	since := pgx.NamedArgs{"site": b.site.ID, "sites": []int{b.site.ID}, "since": time.Now().Add(-20 * time.Minute)}
	for _, mode := range []string{"auto", "force_custom_plan", "force_generic_plan"} {
		_, err := conn.Exec(t.Context(), `SET plan_cache_mode = `+mode)
		require.NoError(t, err)
		most := few
		if mode == "force_custom_plan" {
			// This setting is for the statements in functions too: they are planned again for each
			// of the 20 batches. Planning looks at the ends of indexes, 50 pages each time. Nobody
			// works with this setting.
			most = 2 * few
		}
		for name, q := range map[string]struct {
			sql  string
			args pgx.NamedArgs
		}{
			"worked":            {records.WorkedSQL, since},
			"troubled":          {records.TroubledSQL, since},
			"workload":          {pg.ReadStatements(os.DirFS("."))["workload"], since},
			"open":              {records.BatchesSQL(records.OpenOnes), pgx.NamedArgs{"limit": 20, "sites": []string{}}},
			"open of a site":    {records.BatchesSQL(records.OpenOnes), pgx.NamedArgs{"limit": 20, "sites": []string{otherSite}}},
			"newest":            {records.BatchesSQL(records.NewestBatches), pgx.NamedArgs{"limit": 20}},
			"of a site":         {records.BatchesSQL(records.SiteBatches), pgx.NamedArgs{"limit": 20, "site": otherSite}},
			"open of cancelled": {moving["open_of_cancelled"], pgx.NamedArgs{"site_id": b.site.ID, "limit": 100}},
		} {
			plan := dbtest.Explain(t, conn.Conn(), q.sql, q.args)
			require.Less(t, plan.Hit+plan.Read, most, "pages of %s (%s)", name, mode)
			plan.Walk(func(n dbtest.PlanNode) {
				require.Less(t, n.Removed*n.Loops, 100., "rows that %s (%s) reads for nothing", name, mode)
			})
		}
	}
}
