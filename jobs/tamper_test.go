package jobs_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/standin"
	"relabel/jobs"
)

// TestTamperedJobs does to River's rows what its UI, or a person with psql, may
// do: pending renames get new jobs, and nothing is sent twice.
func TestTamperedJobs(t *testing.T) {
	t.Parallel()

	const rows, calls = 30, 5
	table := []struct{ name, sql string }{
		{"deleted", `DELETE FROM river_job WHERE queue = $1`},
		{"cancelled", `UPDATE river_job SET state = 'cancelled', finalized_at = now() WHERE queue = $1`},
		{"discarded", `UPDATE river_job SET state = 'discarded', finalized_at = now() WHERE queue = $1`},
		{"completed", `UPDATE river_job SET state = 'completed', finalized_at = now() WHERE queue = $1`},
		{"running in a process that is gone", `
			UPDATE river_job SET state = 'running', finalized_at = NULL, attempt = 1, attempted_at = now(), attempted_by = '{gone}'
			WHERE queue = $1`},
		{"running nowhere", `
			UPDATE river_job SET state = 'running', finalized_at = NULL, attempt = 1, attempted_at = now(), attempted_by = NULL
			WHERE queue = $1`},
		{"put off for a day", `
			UPDATE river_job SET state = 'scheduled', finalized_at = NULL, scheduled_at = now() + interval '1 day' WHERE queue = $1`},
		{"available in a day", `
			UPDATE river_job SET state = 'available', finalized_at = NULL, scheduled_at = now() + interval '1 day' WHERE queue = $1`},
		{"retried, all of them", `
			UPDATE river_job SET state = 'available', finalized_at = NULL, scheduled_at = now() WHERE queue = $1`},
		{"doubled", `
			INSERT INTO river_job (args, kind, queue, max_attempts, state) SELECT args, kind, queue, 25, 'available' FROM river_job WHERE queue = $1`},
		{"of another kind", `UPDATE river_job SET kind = 'something' WHERE queue = $1 AND state = 'available'`},
		{"without arguments", `UPDATE river_job SET args = '{}' WHERE queue = $1 AND state = 'available'`},
		{"with wrong arguments", `UPDATE river_job SET args = '{"rename_id": "what"}' WHERE queue = $1 AND state = 'available'`},
		{"with far too large an id", `UPDATE river_job SET args = '{"rename_id": 1e30}' WHERE queue = $1 AND state = 'available'`},
		{"in a queue that nobody works", `UPDATE river_job SET queue = 'nobody' WHERE queue = $1 AND state = 'available'`},
	}
	b := setup(t, settings{concurrency: 2, lane: few(calls)})
	sites := make([]*testBundle, len(table))
	configs := make([]jobs.SiteConfig, len(table))
	for i := range table {
		sites[i] = b.besides(t, fmt.Sprintf("site-%d", i), standin.Config{Assets: rows})
		configs[i] = sites[i].siteConfig(t)
	}
	b.startWith(t, b.DB, configs...)
	for i, row := range table {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			b := sites[i]
			batch := b.load(t, names("new", 0, rows))
			b.untilCalls(t, calls)
			require.Positive(t, b.exec(t, row.sql, b.site.Queue()))
			b.lift(t)
			b.untilDone(t, batch)
			require.EqualValues(t, rows, b.status(t, batch).Succeeded)
			require.Equal(t, rows, b.api.Calls(), "nothing is sent twice")
			for n := range rows {
				require.Equal(t, fmt.Sprintf("new %d", n), b.name(n))
			}
		})
	}
}

// TestJobInAnotherSitesQueue: no rename is sent with another site's token.
func TestJobInAnotherSitesQueue(t *testing.T) {
	t.Parallel()

	const rows = 20
	b := setup(t, settings{api: standin.Config{Assets: rows}, concurrency: 2, lane: few(3)})
	other := b.besides(t, "other", standin.Config{Assets: rows})
	b.startWith(t, b.DB, b.siteConfig(t), other.siteConfig(t))
	batch := b.load(t, names("new", 0, rows))
	b.untilCalls(t, 3)
	require.Positive(t, b.exec(t, `UPDATE river_job SET queue = $2 WHERE queue = $1 AND state = 'available'`, b.site.Queue(), other.site.Queue()))
	b.lift(t)
	other.lift(t)
	b.untilDone(t, batch)
	require.EqualValues(t, rows, b.status(t, batch).Succeeded)
	require.Equal(t, rows, b.api.Calls())
	require.Zero(t, other.api.Calls())
}

// TestJobByHand inserts jobs for what is not to be sent.
func TestJobByHand(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{api: standin.Config{Assets: 3}})
	b.start(t)
	succeeded := b.load(t, names("new", 0, 1))
	b.untilDone(t, succeeded)

	cancelled := b.loadWithoutJobs(t, names("new", 2, 3))
	b.setBatch(t, cancelled, "cancelled")
	before := b.api.Calls()

	client, err := jobs.NewInsertClient(b.DB, b.logs.logger())
	require.NoError(t, err)
	ids := []int64{b.only(t, succeeded).ID, b.only(t, cancelled).ID, 1 << 60, 0, -1}
	for _, id := range ids {
		_, err := client.Insert(t.Context(), jobs.RenameArgs{RenameID: id}, &river.InsertOpts{Queue: b.site.Queue()})
		require.NoError(t, err)
	}
	until(t, "the end of all jobs", func() bool {
		return value[bool](t, b, `SELECT NOT EXISTS (SELECT FROM river_job WHERE state <> 'completed')`) // or the feed has deleted it
	})
	require.Equal(t, before, b.api.Calls(), "nothing is sent")
	require.Equal(t, "succeeded", b.only(t, succeeded).Status)
	require.Equal(t, "cancelled", b.only(t, cancelled).Status)
}

// loadWithoutJobs loads as a process would that has no River.
func (b *testBundle) loadWithoutJobs(t testing.TB, list []want) int64 {
	t.Helper()
	return b.loadWith(t, list, func(p *db.LoadParams) {
		p.Queue = func(context.Context, pgx.Tx) error { return nil }
	})
}

// TestJobCancelledInFlight cancels a job as River UI does while its call is on
// its way: the call is cut, which is no failure of its row, and the rename gets
// another job.
func TestJobCancelledInFlight(t *testing.T) {
	t.Parallel()

	b := setup(t, settings{api: standin.Config{Assets: 1}})
	b.api.FailNext(standin.Hang())
	pool := b.start(t)
	batch := b.load(t, names("new", 0, 1))
	b.untilCalls(t, 1)
	job := value[int64](t, b, `SELECT id FROM river_job WHERE state = 'running'`)
	_, err := pool.Client().JobCancel(t.Context(), job)
	require.NoError(t, err)
	b.untilDone(t, batch)
	r := b.only(t, batch)
	require.Equal(t, "succeeded", r.Status)
	require.Zero(t, r.Failures)
	list := b.attempts(t, r.ID)
	require.Len(t, list, 2)
	require.Equal(t, "interrupted", list[0].Outcome)
	require.Equal(t, 2, b.api.Calls())
}
