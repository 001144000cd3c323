package db_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

// manyRows is how much the tables hold in which plans are looked at: reading one of them costs some 1,000 pages, where
// a statement with its indexes touches a few a row.
const manyRows = 50_000

func (b *testBundle) fillOld(t tb) {
	t.Helper()
	dbtest.FillOld(t, b, b.site.ID)
}

// fill makes a site as it is in the midst of a long run: an open batch with half of its rows to go, some of them in
// flight. It gives rows that can be claimed, and rows in flight.
func (b *testBundle) fill(t tb) (batch int64, due, flying []int64) {
	t.Helper()
	batch = value[int64](t, b, `
		INSERT INTO batch (site_id, name, source, status, acceptance, total, succeeded)
		VALUES ($1, 'now', 'test', 'active', 2001, $2::bigint, $2::bigint / 2) RETURNING id`, b.site.ID, manyRows)
	b.exec(t, `
		INSERT INTO rename (batch_id, site_id, line, asset_id, display_name, status, finished_at, fence, calls)
		SELECT $1, $2, i, lpad(to_hex(i), 24, '0'), 'name', CASE WHEN i > $3::int / 2 THEN 'pending' ELSE 'succeeded' END,
			CASE WHEN i <= $3::int / 2 THEN now() END, 1, 1
		FROM generate_series(1, $3::int) i`, batch, b.site.ID, manyRows)
	b.exec(t, `
		UPDATE batch b SET first_id = r.first, last_id = r.last
		FROM (SELECT min(id) AS first, max(id) AS last FROM rename WHERE batch_id = $1) r WHERE b.id = $1`, batch)
	b.exec(t, `
		INSERT INTO attempt (rename_id, fence, process_id, sent_at, duration, outcome)
		SELECT id, 1, 'p1', now(), '1 s', 'succeeded' FROM rename WHERE status = 'succeeded' AND batch_id = $1`, batch)
	b.limit(t, 5000)
	b.exec(t, `
		INSERT INTO lane_grant (lane, process_id, expires_at)
		SELECT $1, 'p1', now() + '1 h' FROM generate_series(1, 4990)`, b.lane)
	open := list[int64](t, b, `SELECT id FROM rename WHERE status = 'pending' AND batch_id = $1 ORDER BY id LIMIT 32`, batch)
	for _, c := range b.claimAs(t, process, open[:16]...) {
		flying = append(flying, c.RenameID)
	}
	return batch, open[16:], flying
}

// No statement of the hot path reads a table that grows, whatever PostgreSQL knows of the tables: nothing, what they
// were before the last load, or all; with a plan for these values as with one for any.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, statistics := range []string{"none", "old", "all"} {
		t.Run(statistics, func(t *testing.T) {
			t.Parallel()
			testPlans(t, statistics)
		})
	}
}

func testPlans(t *testing.T, statistics string) {
	t.Helper()
	b := setup(t)
	b.exec(t, `ALTER TABLE rename SET (autovacuum_enabled = off); ALTER TABLE batch SET (autovacuum_enabled = off)`)
	b.fillOld(t)
	if statistics == "old" { // taken when those were open: a batch has a few open rows, it says, and all may be read
		b.exec(t, `UPDATE rename SET status = 'pending', finished_at = NULL`)
		b.exec(t, `ANALYZE`)
		b.exec(t, `UPDATE rename SET status = 'succeeded', finished_at = now()`)
	}
	batch, due, flying := b.fill(t)
	b.exec(t, `
		INSERT INTO river_job (kind, queue, priority, max_attempts, args)
		SELECT $1, $2, 2 + (i > 5000)::int, 25, jsonb_build_object('rename_id', -i) FROM generate_series(1, 10000) i`, jobKind, b.site.Queue())
	cancelled := b.elsewhere(t)
	dropped, _, _ := cancelled.fill(t)
	pending := `SELECT id FROM rename WHERE status = 'pending' AND batch_id = $1 ORDER BY id DESC LIMIT 800`
	ending, many := list[int64](t, b, pending, dropped), list[int64](t, b, pending, batch)
	cancelled.setBatch(t, dropped, "cancelled")
	finishes := make([]db.Finish, len(flying))
	for i, id := range flying {
		finishes[i] = answer(db.Claim{RenameID: id, Fence: 2}, "succeeded")
		finishes[i].GrantID = int64(i + 1)
	}
	hot := map[string]struct {
		sql   string
		args  pgx.NamedArgs
		pages int // that it may touch at most
	}{
		"lock": {db.LockRenamesSQL, pgx.NamedArgs{"rename_ids": due}, 500},
		"claim": {db.StatementText("claim"), pgx.NamedArgs{
			"rename_ids": due, "process_id": process, "lease": lease, "quarantine": quarantine, "probe_every": time.Second,
		}, 1000},
		"finish": {db.StatementText("finish"), pgx.NamedArgs{
			"finishes": finishes, "rename_ids": flying, "process_id": process, "breaker_limit": 20,
			"quarantine": quarantine, "probe_every": time.Second,
		}, 1000},
		"finish of successes": {db.StatementText("finish_succeeded"), pgx.NamedArgs{
			"rename_ids": flying, "fences": slices.Repeat([]int32{2}, len(flying)), "process_id": process,
			"http_statuses": make([]*int, len(flying)), "applied_names": make([]*string, len(flying)),
			"last_updates": make([]*time.Time, len(flying)),
			"sent_agos":    make([]float64, len(flying)), "durations": make([]float64, len(flying)),
		}, 1000},
		"close breakers": {db.StatementText("close_breakers"), pgx.NamedArgs{"rename_ids": flying, "answered": flying}, 200},
		"thin": {pg.ReadStatements(os.DirFS("../internal/schedule/scheduledb"))["thin_chunk"], pgx.NamedArgs{
			"batch": batch, "older": list[int64](t, b, `SELECT id FROM batch WHERE name = 'old' LIMIT 1000`),
			"after": due[0], "last": due[0] + manyRows, "limit": 100,
		}, 1000},
		"feed": {db.StatementText("feed"), pgx.NamedArgs{
			"site_id": b.site.ID, "queue": b.site.Queue(), "kind": jobKind, "window": 1000, "stale": time.Minute,
			"process_id": process, "running": []int64{}, "soon": time.Minute, "share": 100,
		}, 500},
		"sites to feed":    {db.SitesToFeedSQL, pgx.NamedArgs{"sites": []int{b.site.ID}, "queues": []string{b.site.Queue()}, "window": 0}, 100},
		"sites of many":    {db.SitesToFeedSQL, pgx.NamedArgs{"sites": []int{b.site.ID}, "queues": []string{b.site.Queue()}, "window": 300}, 400},
		"queues with jobs": {db.QueuesWithJobsSQL, pgx.NamedArgs{"queues": []string{b.site.Queue()}}, 100},
		"wake unworked":    {db.WakeUnworkedSQL, pgx.NamedArgs{"channel": "a", "wake": "b", "queue": b.site.Queue()}, 100},
		"promote":          {db.StatementText("promote"), pgx.NamedArgs{"queue": b.site.Queue(), "kind": jobKind, "limit": 10}, 500},
		"grant": {db.StatementText("grant"), pgx.NamedArgs{
			"lanes": []string{b.lane}, "wants": []int{5}, "process_id": process, "hold": hold, "kept": time.Minute,
		}, 6000},
		"observe": {db.StatementText("observe"), pgx.NamedArgs{
			"lanes": []string{b.lane}, "observations": []db.Observation{{Limit: 60, Remaining: 1}}, "shared": time.Minute,
		}, 6000},
		"settle grants":     {db.SettleSQL, pgx.NamedArgs{"grant_ids": flying, "answered_agos": make([]float64, len(flying))}, 1000},
		"open of cancelled": {db.StatementText("open_of_cancelled"), pgx.NamedArgs{"site_id": cancelled.site.ID, "limit": 100}, 500},
		"end cancelled":     {db.StatementText("end_cancelled"), pgx.NamedArgs{"rename_ids": ending, "quarantine": quarantine}, 20_000},
		"touched by a chunk": {db.StatementText("touched"), pgx.NamedArgs{
			"batch": batch, "after": due[0] - 1, "upto": due[0] + 499, "only": []int64(nil),
		}, 5000},
		"supersede": {db.StatementText("supersede"), pgx.NamedArgs{
			"batch": batch, "own": many[:400], "statuses": slices.Repeat([]string{"unchanged"}, 400), "older": many[400:], "newer": many[400:],
			"older_batches": list[int64](t, b, `SELECT batch_id FROM unnest($1::bigint[]) WITH ORDINALITY AS m (id, place) JOIN rename USING (id) ORDER BY place`, many[400:]),
		}, 20_000},
		"batch status": {pg.ReadStatements(os.DirFS("../internal/records"))["batch_progress"] + `WHERE b.id = @id`, pgx.NamedArgs{"id": batch}, 500}, // the lane's 4,990 grants among them
	}
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	if statistics == "all" {
		b.exec(t, `ANALYZE`)
	}
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		_, err := conn.Exec(t.Context(), `SET plan_cache_mode = `+mode)
		require.NoError(t, err)
		for name, h := range hot {
			plan := dbtest.Explain(t, conn.Conn(), h.sql, h.args)
			plan.Walk(func(n dbtest.PlanNode) {
				switch n.Relation {
				case "rename", "attempt", "batch", "lane_grant", "river_job":
					require.NotEqual(t, "Seq Scan", n.Type, "%s (%s) reads %s", name, mode, n.Relation)
				}
				if n.Relation == "rename" {
					require.Less(t, (n.Rows+n.Removed)*n.Loops, 10_000., "%s (%s) reads rows that it does not need", name, mode)
				}
				require.Less(t, n.Compared*n.Loops, 50_000., "%s (%s) compares all with all", name, mode)
			})
			require.Less(t, plan.Hit+plan.Read, h.pages, "pages of %s (%s)", name, mode)
		}
	}
}

// A feed compares the rows that are due with those that have a job by hash, also when PostgreSQL knows that a batch has
// more rows than the window. It reads no jobs that have ended: an hour's are there.
func TestFeedIsNotQuadratic(t *testing.T) {
	t.Parallel()
	const window, ended = 10_000, 50_000
	b := setup(t)
	_, due, _ := b.fill(t)
	b.exec(t, `
		INSERT INTO river_job (kind, queue, priority, max_attempts, args, state, finalized_at)
		SELECT $1, $2, 2, 25, jsonb_build_object('rename_id', $3::bigint + i), s.state::river_job_state, s.finalized_at
		FROM (VALUES ('available', NULL, $4::int), ('completed', now(), $5::int)) AS s (state, finalized_at, n)
		CROSS JOIN LATERAL generate_series(1, s.n) i`, jobKind, b.site.Queue(), due[0], window, ended)
	b.exec(t, `ANALYZE`)
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
		_, err := conn.Exec(t.Context(), `SET plan_cache_mode = `+mode)
		require.NoError(t, err)
		plan := dbtest.Explain(t, conn.Conn(), db.StatementText("feed"), pgx.NamedArgs{
			"site_id": b.site.ID, "queue": b.site.Queue(), "kind": jobKind, "window": window, "stale": time.Minute,
			"process_id": process, "running": []int64{}, "soon": time.Minute, "share": window / db.ShareOf, "dead_at_once": 2000, "probe": false,
		})
		plan.Walk(func(n dbtest.PlanNode) {
			require.LessOrEqual(t, n.Rows*n.Loops, 2.*window, "%s in %s goes through a list again and again", n.Type, mode)
			require.LessOrEqual(t, n.Removed*n.Loops, 2.*window, "%s in %s reads what it does not need", n.Type, mode)
		})
	}
}

// A comparison looks up the last row that was sent to a target once a row, however often its statement names the result.
func TestCompareLooksUpOnce(t *testing.T) {
	t.Parallel()
	const rows = 1000
	b := setup(t)
	p := b.params(numbered(rows, rows))
	p.Planned = true
	batch := b.loadWith(t, p).batch
	b.readAll(t, batch)
	conn, err := b.Pool().Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	plan := dbtest.Explain(t, conn.Conn(), db.StatementText("compare"), pgx.NamedArgs{"batch": batch, "since": time.Time{}, "take_over": false})
	lookUps := 0.
	plan.Walk(func(n dbtest.PlanNode) {
		if n.Relation == "rename" {
			lookUps += n.Loops
		}
	})
	require.LessOrEqual(t, lookUps, 3.*rows, "a row is found by its id, and its target's rows once")
}

// Loading compares each row with the rows of its own batch and of older ones. Whatever PostgreSQL knows of the tables
// and whichever side is larger, that is one look-up a row and never all with all: 30,000 rows take a second or so,
// all with all takes minutes.
func TestLoadIsNotQuadratic(t *testing.T) {
	t.Parallel()
	const rows, enough = 30_000, time.Minute
	tests := map[string]struct {
		analyze string // when statistics are taken: "", "empty", "emptied" or "old"
		young   int    // rows of the second load
		change  string // what happens to the older batch
	}{
		"as many":                    {"", rows, ""},
		"as many, empty statistics":  {"empty", rows, ""},
		"as many, statistics of old": {"old", rows, ""},
		"fewer":                      {"", rows / 2, ""},
		"fewer, empty statistics":    {"empty", rows / 2, ""},
		"fewer, emptied":             {"emptied", rows / 2, ""},
		"fewer, statistics of old":   {"old", rows / 2, ""},
		"more, statistics of old":    {"old", rows, `UPDATE rename SET status = 'succeeded', finished_at = now(), fence = 1 WHERE line > 15000`},
		"again, all there":           {"old", rows, `UPDATE rename SET status = 'succeeded', finished_at = now(), fence = 1`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			switch tt.analyze {
			case "empty":
				b.exec(t, `ANALYZE`)
			case "emptied": // pages without a row: PostgreSQL expects none, however large the table becomes
				b.load(t, "a", "b")
				b.exec(t, `DELETE FROM rename; DELETE FROM batch; UPDATE acceptance SET last = 0; ANALYZE`)
			}
			old := b.loadWith(t, b.params(numbered(rows, rows)))
			if tt.change != "" {
				b.exec(t, tt.change)
				b.exec(t, `
					UPDATE batch b SET succeeded = n, status = CASE WHEN n = total THEN 'done' ELSE status END
					FROM (SELECT count(*) AS n FROM rename WHERE status = 'succeeded') c`)
			}
			if tt.analyze == "old" {
				b.exec(t, `ANALYZE`)
			}
			ctx, cancel := context.WithTimeout(t.Context(), enough)
			defer cancel()
			start := time.Now()
			young, err := b.Load(ctx, b.params(numbered(tt.young+tt.young/2, tt.young)))
			require.NoError(t, err)
			require.NoError(t, ctx.Err(), "the batch is loaded, but not all of its rows are accepted")
			t.Logf("%d rows in %s", tt.young+tt.young/2, time.Since(start))
			require.EqualValues(t, tt.young/2, b.status(t, young).Superseded)
			if tt.change == "" {
				require.EqualValues(t, tt.young, b.status(t, old.batch).Superseded)
			}
		})
	}
}
