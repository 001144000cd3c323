package scheduledb_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/schedule/scheduledb"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	dbtest.RequireStatements(t)
}

// The schedules of a page of batches are found without reading the runs of years.
func TestOfBatchesPlan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dbtest.Exec(t, b.DB, `
		WITH c AS (INSERT INTO schedule (name, site_id, cron, time_zone, csv, mode, overlap, catch_up)
			VALUES ('n', $1, '@daily', 'UTC', '/n.csv', 'changed', 'skip', interval '1 hour') RETURNING id)
		INSERT INTO schedule_run (schedule_id, due_at, status, batch_id, finished_at)
		SELECT c.id, now() - i * interval '1 hour', 'done', i, now() FROM c, generate_series(1, 20000) i`, b.site.ID)
	dbtest.Exec(t, b.DB, `ANALYZE schedule_run`)
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	plan := dbtest.Explain(t, conn.Conn(), scheduledb.OfBatchesSQL, pgx.NamedArgs{"batches": []int64{5, 9000}})
	plan.Walk(func(n dbtest.PlanNode) {
		if n.Relation == "schedule_run" {
			require.Less(t, (n.Rows+n.Removed)*n.Loops, 10.)
		}
	})
}
