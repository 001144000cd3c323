package db_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/records"
)

// What people have built on the views must go on working: these columns stay, in this order and of these types.
func TestViewColumns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for view, want := range map[string][]string{
		"rate_now": {
			"site text", "call_limit integer", "window_seconds double precision", "used integer", "used_by_others integer", "free integer",
			"processes integer", "stopped_until timestamp with time zone", "waits_for text", "parked_at timestamp with time zone",
			"paused_at timestamp with time zone",
		},
		"batch_progress": {
			"batch bigint", "name text", "site text", "source text", "status text", "status_reason text", "priority smallint",
			"total bigint", "pending bigint", "sending bigint", "succeeded bigint", "failed bigint", "superseded bigint",
			"unchanged bigint", "conflict bigint", "cancelled bigint", "invalid bigint", "done bigint", "percent numeric",
			"calls bigint", "rate_limited bigint", "created_at timestamp with time zone", "started_at timestamp with time zone",
			"finished_at timestamp with time zone", "ends_at timestamp with time zone", "waits_for text",
		},
		"rename_overview": {
			"rename bigint", "batch bigint", "batch_name text", "site text", "line bigint", "asset_id text", "locale_id text",
			"display_name text", "alt_text text", "status text", "attempts integer", "failures integer", "http_status integer",
			"before_name text", "before_alt_text text", "before_at timestamp with time zone", "applied_name text", "error text",
			"superseded_by bigint", "not_before timestamp with time zone", "retried_at timestamp with time zone",
			"cancelled_at timestamp with time zone", "accepted_at timestamp with time zone", "finished_at timestamp with time zone",
		},
		"attempt_log": {
			"rename bigint", "claim integer", "batch bigint", "site text", "line bigint", "asset_id text", "locale_id text",
			"sent_at timestamp with time zone", "seconds double precision", "outcome text", "http_status integer", "code text", "message text",
			"retry_seconds double precision", "process text",
		},
	} {
		got := list[string](t, b, `
			SELECT column_name || ' ' || data_type FROM information_schema.columns
			WHERE table_schema = 'relabel' AND table_name = $1 ORDER BY ordinal_position`, view)
		require.Equal(t, want, got, view)
		require.Empty(t, list[string](t, b, `
			SELECT a.attname FROM pg_attribute a
			WHERE a.attrelid = ('relabel.' || $1)::regclass AND a.attnum > 0 AND col_description(a.attrelid, a.attnum) IS NULL`, view),
			"columns of %s without a comment", view)
		require.NotEmpty(t, value[string](t, b, `SELECT coalesce(obj_description(('relabel.' || $1)::regclass), '')`, view), view)
		var names []string
		for _, column := range want {
			names = append(names, strings.Fields(column)[0])
		}
		require.ElementsMatch(t, names, columnsInDocs(t, view), "docs/views.md, %s", view)
	}
}

// columnsInDocs are those that the section of a view names, in the first cell of its table's lines.
func columnsInDocs(t *testing.T, view string) (names []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/views.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## "+view+"\n")
	require.True(t, found, "there is no section %s", view)
	section, _, _ = strings.Cut(section, "\n## ")
	for _, line := range strings.Split(section, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
				names = append(names, name[1])
			}
		}
	}
	return names
}

// batch_progress has the figures that every command shows, and ends_at is that of the lane.
func TestBatchProgress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limit(t, 2)
	b.works(t)
	l := b.load(t, "a", "a", "!b", "c", "d", "e", "f")
	b.settle(t, l.ids[1], "succeeded")
	b.settle(t, l.ids[3], "failed")
	b.mustClaim(t, l.ids[4])
	b.exec(t, `INSERT INTO lane_grant (lane, process_id, expires_at) VALUES ($1, 'p1', now() + '1 h')`, b.lane)
	s := b.status(t, l.batch)
	require.Equal(t, []int64{s.Batch, s.Total, s.Pending, s.Sending, s.Succeeded, s.Failed, s.Superseded, s.Invalid, s.Calls, s.Total - s.Left()},
		list[int64](t, b, `
			SELECT unnest(ARRAY[batch, total, pending, sending, succeeded, failed, superseded, invalid, calls, done])
			FROM batch_progress WHERE batch = $1`, l.batch))
	require.Equal(t, []string{"57.1", "true", "<none>"}, list[string](t, b, `
		SELECT unnest(ARRAY[percent::text, (ends_at BETWEEN clock_timestamp() + '59 s' AND clock_timestamp() + '60 s')::text, coalesce(waits_for, '<none>')])
		FROM batch_progress WHERE batch = $1`, l.batch), "three rows are left, one call is free, two a minute")

	waits := func() string {
		return value[string](t, b, `SELECT waits_for FROM batch_progress WHERE batch = $1 AND ends_at IS NULL`, l.batch)
	}
	b.park(t)
	require.Contains(t, waits(), "parked: ")
	b.setBatch(t, l.batch, "paused")
	require.Equal(t, "paused", waits())
}

func TestRateNow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	row := func() []any {
		rows, err := b.Pool().Query(t.Context(), `SELECT call_limit, used, used_by_others, free, processes, waits_for FROM rate_now WHERE site = $1`, b.site.Name)
		require.NoError(t, err)
		got, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
		require.NoError(t, err)
		return got
	}
	require.Equal(t, []any{nil, int32(0), int32(0), nil, int32(0), nil}, row(), "never worked")
	b.limit(t, 3)
	b.exec(t, `INSERT INTO lane_grant (lane, process_id, expires_at) SELECT $1, 'p' || i % 2, now() + '1 h' FROM generate_series(1, 2) i`, b.lane)
	require.Equal(t, []any{int32(3), int32(2), int32(0), int32(1), int32(2), nil}, row())
	b.exec(t, `UPDATE lane SET shared_until = now() + '1 h', api_until = now() + '1 h', api_used = 3, api_limit = 3 WHERE fingerprint = $1`, b.lane)
	require.Equal(t, []any{int32(3), int32(3), int32(1), int32(0), int32(2), "the limit is used up"}, row())
	lane, _, err := records.Lane(t.Context(), b.DB, b.site.Name)
	require.NoError(t, err)
	require.Equal(t, []int{3, 3, 1}, []int{lane.Limit, lane.Used, lane.Foreign}, "the command line says the same")
}

// The views of millions of rows are asked by batch, asset or rename, with an index: by BI tools, so with PostgreSQL's own settings.
func TestViewPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.fillOld(t)
	batch, _, _ := b.fill(t)
	b.exec(t, `UPDATE acceptance SET last = 3000`)
	small := b.load(t, "x", "y", "z")
	b.settle(t, small.ids[0], "succeeded")
	b.exec(t, `ANALYZE`)
	conn, err := pgx.Connect(t.Context(), b.url+"&search_path=relabel")
	require.NoError(t, err)
	defer conn.Close(t.Context()) //nolint:errcheck // it ends with the test
	for _, sql := range []string{
		`SELECT * FROM rename_overview WHERE batch = @small`,
		`SELECT * FROM rename_overview WHERE rename = @rename`,
		`SELECT * FROM rename_overview WHERE asset_id = 'x'`,
		`SELECT * FROM rename_overview WHERE batch = @small AND status = 'succeeded'`,
		`SELECT * FROM attempt_log WHERE batch = @small`,
		`SELECT * FROM attempt_log WHERE rename = @rename`,
		`SELECT * FROM attempt_log WHERE asset_id = 'x'`,
		`SELECT * FROM batch_progress WHERE batch = @large`,
	} {
		plan := dbtest.Explain(t, conn, sql, pgx.NamedArgs{"small": small.batch, "large": batch, "rename": small.ids[0]})
		plan.Walk(func(n dbtest.PlanNode) {
			require.False(t, n.Type == "Seq Scan" && (n.Relation == "rename" || n.Relation == "attempt"), "%s reads all of %s", sql, n.Relation)
		})
		require.Less(t, plan.Hit+plan.Read, 500, "pages of %s", sql)
	}
}

// A session keeps the plans of functions in PL/pgSQL. One in SQL that cannot be inlined is planned
// again for each query before PostgreSQL 18, and those of the progress took most of its time.
func TestFunctionsKeepTheirPlans(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Empty(t, list[string](t, b, `
		SELECT p.proname::text FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
		WHERE p.pronamespace = 'relabel'::regnamespace AND l.lanname = 'sql' AND NOT starts_with(p.proname, 'river_')`))
}

// A function with its owner's rights must not find a table that its caller has made.
func TestFunctionsIgnoreTemporaryTables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Empty(t, list[string](t, b, `
		SELECT proname::text FROM pg_proc
		WHERE pronamespace = 'relabel'::regnamespace AND prosecdef
			AND ('search_path=relabel, pg_temp' = ANY (proconfig)) IS NOT TRUE`)) // it is NULL without settings
}
