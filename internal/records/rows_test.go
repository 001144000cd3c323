package records_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/internal/records"
)

// No page of the row table reads all of it, whatever is asked for and whatever PostgreSQL knows of the tables.
func TestJobPlans(t *testing.T) {
	t.Parallel()
	for _, statistics := range []string{"none", "all"} {
		t.Run(statistics, func(t *testing.T) {
			t.Parallel()
			testJobPlans(t, statistics == "all")
		})
	}
}

func testJobPlans(t *testing.T, analyze bool) {
	t.Helper()
	b := setup(t)
	dbtest.Exec(t, b, `ALTER TABLE rename SET (autovacuum_enabled = off)`)
	dbtest.FillOld(t, b, b.site.ID)
	other := b.elsewhere(t)
	batch := other.fillJobs(t, manyRows)
	dbtest.Exec(t, other, `UPDATE rename SET error = NULL, status = 'pending', finished_at = NULL, http_status = NULL WHERE batch_id = $1`, batch)
	dbtest.Exec(t, b, `UPDATE acceptance SET last = 5000`)
	batch = b.fillNext(t, 5001, manyRows)
	if analyze {
		dbtest.Exec(t, b, `ANALYZE`)
	}
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	ids := dbtest.List[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1 AND status = 'failed' LIMIT 100`, batch)
	open := dbtest.List[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1 AND finished_at IS NULL ORDER BY line LIMIT 100`, batch)
	moving := pg.ReadStatements(os.DirFS("../../db"))
	statements := map[string]records.Statement{
		"rows":        {SQL: records.RowSQL, Args: pgx.NamedArgs{"ids": ids}},
		"states":      {SQL: records.JobStatesSQL, Args: pgx.NamedArgs{"ids": open, "queues": []string{b.site.Queue()}, "kind": jobKind, "most": records.MaxRows}},
		"cancel":      {SQL: moving["cancel_rows"], Args: pgx.NamedArgs{"ids": open, "statuses": []string{"pending"}, "quarantine": quarantine}},
		"retry":       {SQL: moving["retry"], Args: pgx.NamedArgs{"batch": batch, "ids": ids, "statuses": []string{"failed"}, "began": time.Now()}},
		"retry older": {SQL: moving["older_open"], Args: pgx.NamedArgs{"ids": ids}},
		"events":      {SQL: records.StatementText("events"), Args: pgx.NamedArgs{"ids": ids, "quarantine": quarantine}},
	}
	for name, q := range jobQueries(batch, b.site.Name, manyRows) {
		for _, sort := range append(records.RowSorts(), "") {
			q.Sort = records.RowSort(sort)
			found, err := records.JobStatements(t.Context(), b.DB, q)
			require.NoError(t, err)
			for kind, s := range found {
				if kind != "errors" { // which have one order
					kind = sort + ", " + kind
				}
				statements[name+", "+kind] = s
			}
		}
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		_, err := conn.Exec(t.Context(), `SET plan_cache_mode = `+mode)
		require.NoError(t, err)
		for name, s := range statements {
			plan := dbtest.Explain(t, conn.Conn(), s.SQL, s.Args)
			plan.Walk(func(n dbtest.PlanNode) {
				if !slices.Contains([]string{"rename", "attempt", "river_job", "event"}, n.Relation) {
					return
				}
				require.NotEqual(t, "Seq Scan", n.Type, "%s (%s) reads %s", name, mode, n.Relation)
				// A chunk, and not all that there is: that would be an index read from end to end.
				require.LessOrEqual(t, (n.Rows+n.Removed)*n.Loops, 30_000.0, "rows that %s (%s) reads of %s", name, mode, n.Relation)
			})
		}
	}
}

// fillNext is fillJobs for a site that has had other batches.
func (b *testBundle) fillNext(t testing.TB, acceptance, rows int) int64 {
	t.Helper()
	dbtest.Exec(t, b, `UPDATE batch SET acceptance = acceptance + 10000 WHERE site_id = $1 AND acceptance = 1`, b.site.ID)
	batch := b.fillJobs(t, rows)
	dbtest.Exec(t, b, `UPDATE batch SET acceptance = $2 WHERE id = $1`, batch, acceptance)
	return batch
}

// addJobs gives each rename another River job.
func (b *testBundle) addJobs(t testing.TB, state string, ids ...int64) {
	t.Helper()
	dbtest.Exec(t, b, `
		INSERT INTO river_job (args, kind, max_attempts, queue, state, finalized_at)
		SELECT jsonb_build_object('rename_id', id), $1, 25, $2, $3::river_job_state,
			CASE WHEN $3 IN ('completed', 'cancelled', 'discarded') THEN now() END FROM unnest($4::bigint[]) id`,
		jobKind, b.site.Queue(), state, ids)
}

// The filters that the model of the property test does not know.
func TestJobFilters(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d", "e/fr", "!f", "g")
	dbtest.Settle(t, b.DB, l.IDs[0], "succeeded")
	dbtest.Settle(t, b.DB, l.IDs[1], "failed")
	dbtest.Settle(t, b.DB, l.IDs[2], "pending") // to be tried again
	dbtest.Claim(t, b.DB, l.IDs[3])
	dbtest.Exec(t, b, `UPDATE rename SET applied_name = 'Stored.JPG' WHERE id = $1`, l.IDs[0])
	dbtest.Exec(t, b, `UPDATE rename SET finished_at = now() - interval '2 h' WHERE id = $1`, l.IDs[1])
	b.addJobs(t, "available", l.IDs[6])
	b.addJobs(t, "running", l.IDs[3])
	b.addJobs(t, "completed", l.IDs[0], l.IDs[0], l.IDs[1])
	require.NoError(t, b.KeepLocales(t.Context(), b.site.ID, []db.SiteLocale{{ID: "", Tag: "de"}, {ID: "fr", Tag: "fr-FR"}, {ID: "es", Tag: "es"}}))
	require.NoError(t, b.KeepLocales(t.Context(), b.site.ID, []db.SiteLocale{{ID: "", Tag: "en", OwnID: strings.Repeat("a", 24)}, {ID: "fr", Tag: "fr-FR"}}))
	_, err := records.CountRows(t.Context(), b.DB, records.RowFilter{LocaleTag: "de"}, 0)
	require.ErrorAs(t, err, new(records.FilterError), "it has another tag now")
	now, err := b.Now(t.Context())
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		filter records.RowFilter
		want   []int // rows, from 0
	}{
		"nothing asked for": {records.RowFilter{}, []int{0, 1, 2, 3, 4, 5, 6}},
		"error":             {records.RowFilter{Error: "NO SUCH"}, []int{1}},
		"error of an open":  {records.RowFilter{Error: "later"}, []int{2}},
		"refused":           {records.RowFilter{Error: "no good"}, []int{5}},
		"troubles":          {records.RowFilter{Statuses: []db.RowStatus{"failed", "invalid", "conflict"}}, []int{1, 5}},
		"http":              {records.RowFilter{HTTPStatus: 500}, []int{2}},
		"http 200":          {records.RowFilter{HTTPStatus: 200}, []int{0}},
		"stored name":       {records.RowFilter{Name: "stored.jpg"}, []int{0}},
		"wanted name":       {records.RowFilter{Name: "LINE 4"}, []int{2}},
		"a sign of LIKE":    {records.RowFilter{Name: "%"}, nil},
		"sent":              {records.RowFilter{MinAttempts: 1}, []int{0, 1, 2}},
		"never sent":        {records.RowFilter{MaxAttempts: ptr(0)}, []int{3, 4, 5, 6}},
		"primary locale":    {records.RowFilter{Locale: ptr(""), Statuses: []db.RowStatus{"pending"}}, []int{2, 6}},
		"locale":            {records.RowFilter{Locale: ptr("fr")}, []int{4}},
		"locale's tag":      {records.RowFilter{LocaleTag: "FR-fr"}, []int{4}},
		"primary's own id":  {records.RowFilter{Locale: ptr(strings.Repeat("a", 24)), Statuses: []db.RowStatus{"pending"}}, []int{2, 6}},
		"another's id":      {records.RowFilter{Locale: ptr(strings.Repeat("b", 24))}, nil},
		"primary's tag":     {records.RowFilter{LocaleTag: "en", Statuses: []db.RowStatus{"pending"}}, []int{2, 6}},
		"no longer a tag":   {records.RowFilter{LocaleTag: "es"}, nil},
		"available":         {records.RowFilter{State: "available"}, []int{6}},
		"running":           {records.RowFilter{State: "running", Site: b.site.Name}, []int{3}},
		"completed, once":   {records.RowFilter{State: "completed"}, []int{0, 1}},
		"since":             {records.RowFilter{Since: now.Add(-time.Hour)}, []int{0, 5}},
		"until":             {records.RowFilter{Until: now.Add(-time.Hour)}, []int{1}},
		"between":           {records.RowFilter{Since: now.Add(-3 * time.Hour), Until: now.Add(-time.Hour), Statuses: []db.RowStatus{"failed"}}, []int{1}},
		"all at once":       {records.RowFilter{Batch: l.Batch, Site: b.site.Name, AssetID: "b", Statuses: []db.RowStatus{"failed"}, HTTPStatus: 404, Error: "asset"}, []int{1}},
		"none":              {records.RowFilter{AssetID: "b", Statuses: []db.RowStatus{"succeeded"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := records.Rows(t.Context(), b.DB, records.RowQuery{RowFilter: tt.filter})
			require.NoError(t, err)
			require.Empty(t, page.Next)
			var got []int
			for _, j := range page.Rows {
				got = append(got, slices.Index(l.IDs, j.ID))
			}
			slices.Sort(got)
			require.Equal(t, tt.want, got)
			n, err := records.CountRows(t.Context(), b.DB, tt.filter, 0)
			require.NoError(t, err)
			require.Equal(t, []any{int64(len(tt.want)), true}, []any{n.Rows, n.Exact})
		})
	}
}

// A row is shown with all there is, and the state of its job that lives.
func TestJobRow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a/fr", "b")
	dbtest.Settle(t, b.DB, l.IDs[0], "pending")
	b.addJobs(t, "completed", l.IDs[0])
	b.addJobs(t, "retryable", l.IDs[0])
	page, err := records.Rows(t.Context(), b.DB, records.RowQuery{Sort: records.SortOldest})
	require.NoError(t, err)
	require.EqualValues(t, 2, *page.Total)
	j := page.Rows[0]
	require.Equal(t, records.Row{
		ID: l.IDs[0], Batch: l.Batch, BatchName: "batch", BatchStatus: "active", Site: b.site.Name, Line: 2, AssetID: "a", LocaleID: "fr",
		DisplayName: ptr("a/fr, line 2"), Status: "pending", JobState: ptr("retryable"), HTTPStatus: ptr(500), Attempts: 1, Failures: 1,
		Error: ptr("try later"),
	}, j)
	require.Nil(t, page.Rows[1].JobState)
}

func TestJobsWrongly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for want, q := range map[string]records.RowQuery{
		"there is no status":      {RowFilter: records.RowFilter{Statuses: []db.RowStatus{"gone"}}},
		"there is no job state":   {RowFilter: records.RowFilter{State: "gone"}},
		"three digits":            {RowFilter: records.RowFilter{HTTPStatus: 4}},
		"not above the largest":   {RowFilter: records.RowFilter{MinAttempts: 2, MaxAttempts: ptr(1)}},
		"since must be before":    {RowFilter: records.RowFilter{Since: time.Unix(2, 0), Until: time.Unix(1, 0)}},
		"not one of this list":    {Cursor: "x"},
		`"t.0.0.7" is not one of`: {Cursor: "t.0.0.7"}, // of a list of errors
	} {
		_, err := records.Rows(t.Context(), b.DB, q)
		require.ErrorContains(t, err, want)
		require.ErrorAs(t, err, new(records.FilterError))
	}
	_, err := records.Rows(t.Context(), b.DB, records.RowQuery{RowFilter: records.RowFilter{Batch: 9}})
	require.ErrorAs(t, err, new(db.NoBatchError))
	_, err = records.Rows(t.Context(), b.DB, records.RowQuery{RowFilter: records.RowFilter{Site: "gone"}})
	require.ErrorIs(t, err, db.ErrNoSite)
}

// A look that ends for its length says so, and the next one goes on from there.
func TestJobsLookOn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d", "e")
	q := records.RowQuery{RowFilter: records.RowFilter{Name: "a, line"}, Look: 3}
	first, err := records.Rows(t.Context(), b.DB, q)
	require.NoError(t, err)
	require.Empty(t, first.Rows)
	require.Equal(t, []any{int64(3), int64(5), false}, []any{first.Looked, first.Of, first.Full})
	q.Cursor = first.Next
	second, err := records.Rows(t.Context(), b.DB, q)
	require.NoError(t, err)
	require.Len(t, second.Rows, 1)
	require.Equal(t, l.IDs[0], second.Rows[0].ID)
	require.Empty(t, second.Next)

	n, err := records.CountRows(t.Context(), b.DB, q.RowFilter, 3)
	require.NoError(t, err)
	require.Equal(t, records.RowCount{Rows: 1, Exact: false, Looked: 3}, n)
}

func TestJobErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d", "!e")
	dbtest.Settle(t, b.DB, l.IDs[0], "failed")
	dbtest.Settle(t, b.DB, l.IDs[1], "failed")
	dbtest.Settle(t, b.DB, l.IDs[2], "pending")
	dbtest.Settle(t, b.DB, l.IDs[3], "conflict")
	got, err := records.RowErrors(t.Context(), b.DB, records.RowFilter{}, 10)
	require.NoError(t, err)
	require.True(t, got.Complete)
	require.EqualValues(t, 4, got.Of)
	var causes []string
	for _, c := range got.Causes {
		causes = append(causes, fmt.Sprint(c.Rows, " ", c.Status, " ", c.Error, " line ", c.Line))
	}
	require.Equal(t, []string{"2 failed not_found: no such asset line 2", "1 conflict conflict line 5", "1 invalid no good line 6"}, causes)

	got, err = records.RowErrors(t.Context(), b.DB, records.RowFilter{Statuses: []db.RowStatus{"pending"}}, 10)
	require.NoError(t, err)
	require.Equal(t, []string{"try later"}, []string{got.Causes[0].Error})
	got, err = records.RowErrors(t.Context(), b.DB, records.RowFilter{AssetID: "nowhere"}, 10)
	require.NoError(t, err)
	require.Empty(t, got.Causes)
}

// Rows that differ in nothing but the names that they are about have one cause.
func TestConflictsHaveOneCause(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d")
	for i, text := range []string{
		`changed by somebody else: the name was "1" and is "2"`, `changed by somebody else: the name was "3" and is "4"`,
		`the name is not as expected: it is "5", not "6"`, `the name is not as expected: it is "7", not "8"`,
	} {
		dbtest.Settle(t, b.DB, l.IDs[i], "conflict")
		dbtest.Exec(t, b, `UPDATE rename SET error = $2 WHERE id = $1`, l.IDs[i], text)
	}
	got, err := records.AllRowErrors(t.Context(), b.DB, records.RowFilter{Batch: l.Batch}, 10)
	require.NoError(t, err)
	var causes []string
	for _, c := range got.Causes {
		causes = append(causes, fmt.Sprint(c.Rows, " ", c.Error))
		page, err := records.Rows(t.Context(), b.DB, records.RowQuery{RowFilter: records.RowFilter{Batch: l.Batch, Error: c.Error}})
		require.NoError(t, err)
		require.Len(t, page.Rows, int(c.Rows), "a cause is a filter for its rows")
	}
	require.Equal(t, []string{"2 changed by somebody else: the name", "2 the name is not as expected"}, causes)
	one, err := records.RowErrors(t.Context(), b.DB, records.RowFilter{Error: `"8"`}, 10)
	require.NoError(t, err)
	require.Equal(t, `the name is not as expected: it is "7", not "8"`, one.Causes[0].Error, "a row alone in full")
}

// Errors of the last hour are found however many newer rows failed before it: they are looked for by end.
func TestJobErrorsSince(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d")
	for _, id := range l.IDs {
		dbtest.Settle(t, b.DB, id, "failed")
	}
	dbtest.Exec(t, b, `UPDATE rename SET finished_at = now() - interval '2 h' WHERE id <> $1`, l.IDs[0])
	now, err := b.Now(t.Context())
	require.NoError(t, err)
	got, err := records.RowErrors(t.Context(), b.DB, records.RowFilter{Since: now.Add(-time.Hour)}, 10)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 1}, []int64{got.Looked, got.Causes[0].Rows})
	require.Equal(t, l.IDs[0], got.Causes[0].ID)
}

// An action walks the rows with an error where there are no cancelled ones; a list does not, as its cursor would not go on when one comes.
func TestRetryLooksAtErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.load(t, "a", "b", "c", "d", "e")
	dbtest.Settle(t, b.DB, l.IDs[3], "failed")
	f, ok := records.RowFilter{Name: "line"}.ForRetry()
	require.True(t, ok)
	n, err := records.CountRows(t.Context(), b.DB, f, 0)
	require.NoError(t, err)
	require.Equal(t, records.RowCount{Rows: 1, Exact: true, Looked: 1}, n)
	_, err = records.CancelRows(t.Context(), b.DB, records.RowFilter{AssetID: "a"}, nil)
	require.NoError(t, err)
	n, err = records.CountRows(t.Context(), b.DB, f, 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, n.Rows)
}

// Thousands of rows are acted on in chunks; an action that is interrupted goes on where it was.
func TestActInChunks(t *testing.T) {
	t.Parallel()
	const rows = 5000
	b := setup(t)
	dbtest.Load(t, b.DB, b.params(numbered(rows)))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := records.CancelRows(ctx, b.DB, records.RowFilter{Name: "n"}, func(db.Cancelled) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	left, err := records.CountRows(t.Context(), b.DB, records.RowFilter{Statuses: []db.RowStatus{"pending"}}, 0)
	require.NoError(t, err)
	require.Positive(t, left.Rows)
	require.Less(t, left.Rows, int64(rows))
	got, err := records.CancelRows(t.Context(), b.DB, records.RowFilter{Name: "n"}, nil)
	require.NoError(t, err)
	require.Equal(t, db.Cancelled{Cancelled: left.Rows}, got)
	calls := 0
	again, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{}, func(db.Retried) { calls++ })
	require.NoError(t, err)
	require.Equal(t, db.Retried{Pending: rows}, again)
	require.Greater(t, calls, 1)
	dbtest.RequireCountsAddUp(t, b)
}

// Rows of a plan are left alone by both actions, and not counted before.
func TestPlansAreLeftAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.params(dbtest.Rows("a", "b"))
	p.Planned = true
	l := dbtest.Load(t, b.DB, p)
	dbtest.Exec(t, b, `UPDATE rename SET status = 'conflict', error = 'changed', finished_at = now() WHERE id = $1`, l.IDs[0])
	dbtest.Exec(t, b, `UPDATE batch SET conflict = 1 WHERE id = $1`, l.Batch)
	for name, choose := range map[string]func(records.RowFilter) (records.RowFilter, bool){"retry": records.RowFilter.ForRetry, "cancel": records.RowFilter.ForCancel} {
		for _, f := range []records.RowFilter{{Batch: l.Batch}, {AssetID: "a"}, {Name: "line"}} {
			chosen, _ := choose(f)
			n, err := records.CountRows(t.Context(), b.DB, chosen, 0)
			require.NoError(t, err)
			require.Zero(t, n.Rows, name)
		}
	}
	retried, err := records.RetryRows(t.Context(), b.DB, records.RowFilter{}, nil)
	require.NoError(t, err)
	cancelled, err := records.CancelRows(t.Context(), b.DB, records.RowFilter{}, nil)
	require.NoError(t, err)
	require.Equal(t, []any{db.Retried{}, db.Cancelled{}}, []any{retried, cancelled})
	require.Equal(t, "conflict pending", b.statuses(t, l.Batch))
}
