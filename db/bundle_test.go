package db_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/records"
)

const (
	// lease is longer than any test runs: a lease ends when a test says so (expireLease).
	lease = time.Hour

	patience = dbtest.Patience

	// quarantine, as lease.
	quarantine = time.Hour

	process = "p1"
)

type tb = dbtest.TB

type testBundle struct {
	*db.DB

	url  string
	site db.Site
	lane string // its token's fingerprint
}

// setup gives a migrated database with the default site.
func setup(t testing.TB) *testBundle {
	t.Helper()
	url := dbtest.URL(t)
	b := &testBundle{DB: dbtest.Open(t, url), url: url, lane: "f1"}
	var err error
	b.site, err = b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	return b
}

// elsewhere is another site of the same database: making one costs far less than making a database, and what the
// tests of a table do to one site must leave the others alone anyway.
func (b *testBundle) elsewhere(t tb) *testBundle {
	t.Helper()
	name := "s" + uuid.NewString()
	require.NoError(t, b.SaveSite(t.Context(), db.Site{Name: name}))
	site, err := b.SiteByName(t.Context(), name)
	require.NoError(t, err)
	return &testBundle{DB: b.DB, url: b.url, site: site, lane: name}
}

func (b *testBundle) exec(t tb, sql string, args ...any) {
	t.Helper()
	dbtest.Exec(t, b, sql, args...)
}

// value reads one value.
func value[T any](t tb, b *testBundle, sql string, args ...any) T {
	t.Helper()
	return dbtest.Value[T](t, b, sql, args...)
}

// list reads one column.
func list[T any](t tb, b *testBundle, sql string, args ...any) []T {
	t.Helper()
	return dbtest.List[T](t, b, sql, args...)
}

// rowsOf makes rows of words, see dbtest.Rows.
func rowsOf(targets ...string) iter.Seq2[*db.SourceRow, error] { return dbtest.Rows(targets...) }

func noQueue(ctx context.Context, tx pgx.Tx) error { return dbtest.NoQueue(ctx, tx) }

// params are those of an ordinary load.
func (b *testBundle) params(rows iter.Seq2[*db.SourceRow, error]) db.LoadParams {
	return dbtest.Params(b.site.ID, rows)
}

// loaded is a batch and its renames' ids in input order.
type loaded struct {
	batch int64
	ids   []int64
}

func (b *testBundle) load(t tb, targets ...string) loaded {
	t.Helper()
	return b.loadWith(t, b.params(rowsOf(targets...)))
}

func (b *testBundle) loadWith(t tb, p db.LoadParams) loaded {
	t.Helper()
	l := dbtest.Load(t, b.DB, p)
	return loaded{l.Batch, l.IDs}
}

// claimAs claims in a process's name and gives the answers by rename.
func (b *testBundle) claimAs(t tb, process string, ids ...int64) map[int64]db.Claim {
	t.Helper()
	claims, err := b.Claim(t.Context(), db.ClaimParams{ProcessID: process, RenameIDs: ids, Lease: lease, Quarantine: quarantine})
	require.NoError(t, err)
	byID := map[int64]db.Claim{}
	for _, c := range claims {
		require.NotContains(t, byID, c.RenameID, "one answer a rename")
		byID[c.RenameID] = c
	}
	return byID
}

func (b *testBundle) claim(t tb, id int64) db.Claim {
	t.Helper()
	return b.claimAs(t, process, id)[id]
}

// mustClaim claims what is there to be had.
func (b *testBundle) mustClaim(t tb, id int64) db.Claim {
	t.Helper()
	c := b.claim(t, id)
	require.Equal(t, db.Claimed, c.Verdict)
	return c
}

// answer is the finish of a claim whose call was made, and ended so.
func answer(c db.Claim, status db.RowStatus) db.Finish { return dbtest.Answer(c, status) }

// finish gives the statuses that the renames got.
func (b *testBundle) finish(t tb, fs ...db.Finish) map[int64]db.RowStatus {
	t.Helper()
	return b.finishAs(t, process, fs...)
}

func (b *testBundle) finishAs(t tb, process string, fs ...db.Finish) map[int64]db.RowStatus {
	t.Helper()
	got, err := b.Finish(t.Context(), db.FinishParams{ProcessID: process, Finishes: fs, Quarantine: quarantine})
	require.NoError(t, err)
	return got
}

// settle claims a rename and ends its call.
func (b *testBundle) settle(t tb, id int64, status db.RowStatus) {
	t.Helper()
	b.finish(t, answer(b.mustClaim(t, id), status))
}

// setBatch pauses, resumes or cancels a batch; a cancelled one keeps its rows, as while CancelBatch is at work.
func (b *testBundle) setBatch(t tb, id int64, status db.BatchStatus) bool {
	t.Helper()
	changed, err := setBatch(t.Context(), b.DB, id, status)
	require.NoError(t, err)
	return changed
}

// setBatch reports false for a batch that has ended, or is a plan.
func setBatch(ctx context.Context, d *db.DB, id int64, status db.BatchStatus) (changed bool, err error) {
	switch status {
	case db.BatchPaused:
		changed, err = d.PauseBatch(ctx, id, nil)
	case db.BatchActive:
		changed, err = d.ResumeBatch(ctx, id)
	default:
		changed, err = d.MarkCancelled(ctx, id)
	}
	if _, refused := errors.AsType[*db.BatchStateError](err); refused {
		return false, nil
	}
	return changed, err
}

// endQuarantine lets the time pass in which calls of unknown outcome might land.
func (b *testBundle) endQuarantine(t tb) {
	t.Helper()
	b.exec(t, `
		UPDATE rename SET unknown_until = clock_timestamp()
		WHERE site_id = $1 AND unknown_until > clock_timestamp()`, b.site.ID)
	b.exec(t, `
		UPDATE rename SET lease_until = clock_timestamp() - $2::interval
		WHERE site_id = $1 AND lease_until < clock_timestamp()`, b.site.ID, quarantine)
}

// expireLease lets a claim's time run out.
func (b *testBundle) expireLease(t tb, id int64) {
	t.Helper()
	b.exec(t, `UPDATE rename SET lease_until = clock_timestamp() - interval '1 ms' WHERE id = $1`, id)
}

// renameRow is a rename as it stands in its table.
type renameRow struct {
	ID           int64
	BatchID      int64
	Status       string
	Fence        int32
	Calls        int
	Failures     int
	HTTPStatus   *int `db:"http_status"`
	ProcessID    *string
	SupersededBy *int64
	AppliedName  *string
	Error        *string
	Leased       bool
	Waits        bool // for its next try
	Finished     bool
}

func (b *testBundle) renames(t tb, batches ...int64) []renameRow {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), `
		SELECT r.id, r.batch_id, r.status, fence, r.calls, failures::int, http_status::int, process_id, superseded_by, applied_name, error,
			lease_until IS NOT NULL AS leased, coalesce(not_before > clock_timestamp(), false) AS waits,
			r.finished_at IS NOT NULL AS finished
		FROM batch b JOIN rename r ON r.id BETWEEN b.first_id AND b.last_id AND r.batch_id = b.id
		WHERE b.id = ANY ($1) ORDER BY r.id`, batches)
	require.NoError(t, err)
	out, err := pgx.CollectRows(rows, pgx.RowToStructByName[renameRow])
	require.NoError(t, err)
	return out
}

func (b *testBundle) rename(t tb, id int64) renameRow {
	t.Helper()
	for _, r := range b.renames(t, value[int64](t, b, `SELECT batch_id FROM rename WHERE id = $1`, id)) {
		if r.ID == id {
			return r
		}
	}
	require.Fail(t, "no such rename")
	return renameRow{}
}

// statuses are a batch's, in input order, in one line.
func (b *testBundle) statuses(t tb, batch int64) string {
	t.Helper()
	return strings.Join(list[string](t, b, `SELECT status FROM rename WHERE batch_id = $1 ORDER BY id`, batch), " ")
}

func (b *testBundle) status(t tb, batch int64) records.BatchProgress {
	t.Helper()
	s, err := records.Batch(t.Context(), b.DB, batch)
	require.NoError(t, err)
	return s
}

// requireCountsAddUp compares the counters of the site's batches with a count of their rows, and their status with what
// is left.
func (b *testBundle) requireCountsAddUp(t tb) {
	t.Helper()
	rows, err := b.Pool().Query(t.Context(), `
		SELECT batch_id, status, count(*) FROM rename WHERE site_id = $1 GROUP BY 1, 2`, b.site.ID)
	require.NoError(t, err)
	counted := map[int64]map[string]int64{}
	var batch, n int64
	var status string
	_, err = pgx.ForEachRow(rows, []any{&batch, &status, &n}, func() error {
		if counted[batch] == nil {
			counted[batch] = map[string]int64{}
		}
		counted[batch][status] = n
		counted[batch]["total"] += n
		return nil
	})
	require.NoError(t, err)
	batches, err := records.Batches(t.Context(), b.DB, b.site.Name, len(counted)+1)
	require.NoError(t, err)
	require.Len(t, batches, len(counted))
	for _, s := range batches {
		requireCounts(t, s, counted[s.Batch])
		requireEnd(t, s)
	}
}

func requireCounts(t tb, s records.BatchProgress, counted map[string]int64) {
	t.Helper()
	shown := map[string]int64{
		"total": s.Total, "pending": s.Pending, "sending": s.Sending, "succeeded": s.Succeeded, "failed": s.Failed,
		"superseded": s.Superseded, "unchanged": s.Unchanged, "conflict": s.Conflict, "cancelled": s.Cancelled,
		"invalid": s.Invalid,
	}
	for status, n := range shown {
		require.Equal(t, counted[status], n, "batch %d: %s", s.Batch, status)
	}
}

// requireEnd checks that a batch, whose rows are all accepted, has ended with its last row.
func requireEnd(t tb, s records.BatchProgress) {
	t.Helper()
	if s.Status == "planned" {
		require.Nil(t, s.FinishedAt, "batch %d", s.Batch)
		return
	}
	require.Equal(t, s.Left() == 0, s.FinishedAt != nil, "batch %d is %s, %d left", s.Batch, s.Status, s.Left())
	if s.Status != "cancelled" {
		require.Equal(t, s.Left() == 0, s.Status == "done", "batch %d is %s, %d left", s.Batch, s.Status, s.Left())
	}
}

// requireBlocked waits until so many statements of the database wait for a lock.
func (b *testBundle) requireBlocked(t tb, n int) {
	t.Helper()
	dbtest.RequireBlocked(t, b, n)
}

// begin opens a transaction that ends with the test.
func begin(t testing.TB, pool *pgxpool.Pool) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func ptr[T any](v T) *T { return &v }
