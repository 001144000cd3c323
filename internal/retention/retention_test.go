package retention_test

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/retention"
)

type testBundle struct {
	*db.DB

	site db.Site
	now  time.Time
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	b := &testBundle{DB: dbtest.New(t)}
	var err error
	b.site, err = b.SiteByName(t.Context(), db.DefaultSite)
	require.NoError(t, err)
	b.now, err = b.Now(t.Context())
	require.NoError(t, err)
	return b
}

// load loads a batch and sends all of its rows.
func (b *testBundle) load(t *testing.T, targets ...string) dbtest.Loaded {
	t.Helper()
	p := dbtest.Params(b.site.ID, dbtest.Rows(targets...))
	p.Force = true
	l := dbtest.Load(t, b.DB, p)
	for _, id := range l.IDs {
		dbtest.Settle(t, b.DB, id, db.RowSucceeded)
	}
	return l
}

// age makes all that is there older.
func (b *testBundle) age(t *testing.T, by string) {
	t.Helper()
	for _, set := range []string{
		"rename SET finished_at = finished_at - $1::interval", "batch SET finished_at = finished_at - $1::interval",
		"attempt SET sent_at = sent_at - $1::interval", "event SET at = at - $1::interval", "audit SET at = at - $1::interval",
		"asset_state SET read_at = read_at - $1::interval",
		"schedule_run SET finished_at = finished_at - $1::interval", "notice SET created_at = created_at - $1::interval",
	} {
		dbtest.Exec(t, b, "UPDATE "+set, by)
	}
}

// params prune what is older than 90 days.
func (b *testBundle) params() retention.Params {
	return retention.Params{DB: b.DB, SiteID: b.site.ID, Before: b.now.Add(-90 * 24 * time.Hour), Shared: true}
}

func prune(t *testing.T, p retention.Params) map[string]int64 {
	t.Helper()
	p.DryRun = true
	counted, err := retention.Prune(t.Context(), p)
	require.NoError(t, err)
	p.DryRun = false
	counts, err := retention.Prune(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, counted, counts, "a dry run counts the same")
	gone := map[string]int64{}
	for _, c := range counts {
		if c.Rows > 0 {
			gone[c.Table] = c.Rows
		}
	}
	return gone
}

func TestPrune(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(t, "a", "b") // its rows are replaced below
	second := b.load(t, "a", "b", "c")
	b.age(t, "100 days")
	third := b.load(t, "c")

	require.Equal(t, map[string]int64{"rename": 3, "attempt": 5, "batch": 1}, prune(t, b.params()),
		"of the second batch a and b are the newest, and so is c of the third")
	dbtest.RequireCountsAddUp(t, b)
	require.Equal(t, second.IDs[:2], dbtest.List[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1 ORDER BY id`, second.Batch))
	require.Len(t, dbtest.List[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1`, third.Batch), 1)
	require.Empty(t, prune(t, b.params()), "nothing is left to do")
}

func TestPruneLeavesTargetsOfOpenBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(t, "a", "b")
	b.load(t, "a", "b")
	b.age(t, "100 days")
	p := dbtest.Params(b.site.ID, dbtest.Rows("a"))
	p.Planned = true
	plan := dbtest.Load(t, b.DB, p)

	require.Equal(t, map[string]int64{"rename": 1, "attempt": 4}, prune(t, b.params()), "a is of a plan")
	require.NoError(t, b.Discard(t.Context(), plan.Batch))
	require.Equal(t, map[string]int64{"rename": 1, "batch": 1}, prune(t, b.params()))
}

func TestPruneOneBatch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.load(t, "a", "b")
	second := b.load(t, "a")
	p := b.params()
	p.Before, p.Batch = b.now.Add(time.Hour), first.Batch
	dbtest.Exec(t, b, `INSERT INTO audit (at, who, via, action) VALUES (now() - interval '400 days', 'ann', 'test', 'set')`)
	require.Equal(t, map[string]int64{"rename": 1, "attempt": 2}, prune(t, p), "b of it is the newest")
	require.Len(t, dbtest.List[int64](t, b, `SELECT id FROM batch`), 2)
	require.Len(t, dbtest.List[int64](t, b, `SELECT rename_id FROM attempt`), 1, "that of batch %d", second.Batch)
	dbtest.RequireCountsAddUp(t, b)
}

// The name and the alt text of a target may come from different rows, and a row that
// failed may be newer than the one that succeeded: undo and verify need both.
func TestPruneKeepsEachValue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	named := b.load(t, "a", "b")
	alt := "A dog"
	p := dbtest.Params(b.site.ID, func(yield func(*db.SourceRow, error) bool) {
		yield(&db.SourceRow{Line: 2, AssetID: "a", AltText: &alt}, nil)
	})
	described := dbtest.Load(t, b.DB, p)
	dbtest.Settle(t, b.DB, described.IDs[0], db.RowSucceeded)
	failed := dbtest.Load(t, b.DB, dbtest.Params(b.site.ID, dbtest.Rows("b")))
	dbtest.Settle(t, b.DB, failed.IDs[0], db.RowFailed)
	b.age(t, "100 days")
	require.Equal(t, map[string]int64{"attempt": 4}, prune(t, b.params()))
	require.Len(t, dbtest.List[int64](t, b, `SELECT id FROM rename WHERE batch_id = $1`, named.Batch), 2)
}

// A call that might still land holds the next one up, so its row stays.
func TestPruneKeepsUnknownCalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.load(t, "a")
	b.load(t, "a")
	dbtest.Exec(t, b, `UPDATE rename SET unknown_until = now() + interval '1 min' WHERE batch_id = $1`, first.Batch)
	p := b.params()
	p.Before, p.Batch = b.now.Add(time.Hour), first.Batch
	require.Equal(t, map[string]int64{"attempt": 1}, prune(t, p))
}

// A batch that another one refers to stays as long as that one.
func TestPruneKeepsWhatIsReferredTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second, third := b.load(t, "a"), b.load(t, "a"), b.load(t, "a")
	dbtest.Exec(t, b, `UPDATE batch SET undoes = $1 WHERE id = $2`, first.Batch, third.Batch)
	dbtest.Exec(t, b, `UPDATE batch SET replaced_by = $1 WHERE id = $2`, second.Batch, first.Batch)
	b.age(t, "100 days")
	require.Equal(t, map[string]int64{"rename": 2, "attempt": 3}, prune(t, b.params()), "the third stays, so all do")
	b.load(t, "a")
	dbtest.Exec(t, b, `UPDATE batch SET finished_at = finished_at - interval '100 days' WHERE id = $1`, third.Batch)
	require.Equal(t, map[string]int64{"rename": 1, "batch": 3}, prune(t, b.params()))
}

// Each of the other tables: what goes, and what looks like it and stays.
func TestPruneOtherTables(t *testing.T) {
	t.Parallel()
	b := setup(t)
	open := dbtest.Load(t, b.DB, dbtest.Params(b.site.ID, dbtest.Rows("a")))
	for _, sql := range []string{
		`INSERT INTO event (kind, site_id) SELECT 'site paused', id FROM site`,
		`INSERT INTO event (kind, lane) VALUES ('lane stopped', 'f1')`,
		`INSERT INTO audit (who, via, action, subject) VALUES ('ann', 'test', 'set', 'site default')`,
		`INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up) SELECT 'n', id, '@daily', 'UTC', '/n.csv', '1 h' FROM site`,
		`INSERT INTO schedule_run (schedule_id, due_at, status, finished_at) SELECT id, now(), 'done', now() FROM schedule, generate_series(1, 3)`,
		`INSERT INTO schedule_run (schedule_id, due_at, status) SELECT id, now(), 'waiting' FROM schedule`,
		`INSERT INTO schedule (name, site_id, cron, time_zone, csv, catch_up) SELECT 'm', id, '@daily', 'UTC', '/n.csv', '1 h' FROM site`,
		`INSERT INTO schedule_run (schedule_id, due_at, status, finished_at) SELECT id, now(), 'done', now() FROM schedule WHERE name = 'm'`,
		`INSERT INTO notice (schedule_id, run_id, event, detail, next_try_at) SELECT id, 1, 'failed', '', CASE WHEN n = 1 THEN now() END
			FROM schedule, generate_series(1, 2) n WHERE name = 'm'`,
		`INSERT INTO notice (site_id, url, event, detail, next_try_at) SELECT id, 'https://example.com', 'parked', '', CASE WHEN n = 1 THEN now() END
			FROM site, generate_series(1, 2) n`,
		`INSERT INTO asset_state (site_id, asset_id, read_at) SELECT id, n, now() - CASE n WHEN 1 THEN '1 day' ELSE '0' END::interval
			FROM site, generate_series(1, 2) n`,
	} {
		dbtest.Exec(t, b, sql)
	}
	dbtest.Exec(t, b, `INSERT INTO event (kind, site_id, batch_id) VALUES ('batch paused', $1, $2)`, b.site.ID, open.Batch)
	dbtest.Exec(t, b, `INSERT INTO audit (who, via, action, subject) VALUES ('ann', 'test', 'load', 'batch ' || $1::bigint)`, open.Batch)
	require.Empty(t, prune(t, b.params()), "all is new")

	b.age(t, "100 days")
	dbtest.Exec(t, b, `INSERT INTO site_reading (site_id, began_at, assets, calls) SELECT id, now() - interval '100 days 1 h', 1, 1 FROM site`)
	p := b.params()
	p.Shared = false
	require.Equal(t, map[string]int64{"event": 1, "schedule_run": 3, "notice": 2, "asset_state": 1}, prune(t, p))
	require.Equal(t, map[string]int64{"event": 1, "audit": 1}, prune(t, b.params()))
}

// Every table of the schema has a rule, and the manual names each that is pruned.
func TestEveryTableHasARule(t *testing.T) {
	t.Parallel()
	b := setup(t)
	tables := dbtest.List[string](t, b, `
		SELECT relname FROM pg_class WHERE relnamespace = 'relabel'::regnamespace AND relkind IN ('r', 'p') AND relname NOT LIKE 'river%'
		ORDER BY relname`)
	require.NotEmpty(t, tables)
	rules := retention.Rules()
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	require.NoError(t, err)
	for _, name := range tables {
		require.NotEmpty(t, rules[name], "the table %s has no rule: say in Rules and in docs/operations.md what becomes of its rows", name)
		require.Contains(t, string(manual), "`"+name+"`", "docs/operations.md does not say what becomes of the rows of %s", name)
		delete(rules, name)
	}
	require.Empty(t, rules, "rules for tables that do not exist")
}

func TestArchive(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(t, "a", "b")
	b.load(t, "a", "b")
	b.age(t, "100 days")
	dir := filepath.Join(t.TempDir(), "archive")
	archive, err := retention.NewArchive(dir, b.now)
	require.NoError(t, err)
	p := b.params()
	p.Archive = archive
	_, err = retention.Prune(t.Context(), p)
	require.NoError(t, err)

	parts, err := filepath.Glob(filepath.Join(dir, "*.csv.gz.part"))
	require.NoError(t, err)
	require.Len(t, parts, 3, "what a killed process leaves")
	rows, _ := readArchive(t, parts[0])
	require.Len(t, rows, 5, "a killed process leaves all that was deleted: the header and 4 attempts")

	files, err := archive.Close()
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, f := range files {
		info, err := os.Stat(f)
		require.NoError(t, err)
		require.Equal(t, "-rw-------", info.Mode().String())
		rows, err := readArchive(t, f)
		require.NoError(t, err)
		switch {
		case strings.HasSuffix(f, "-rename.csv.gz"):
			require.Equal(t, []string{"id", "batch_id", "site_id", "line", "asset_id"}, rows[0][:5])
			require.Len(t, rows, 3)
		case strings.HasSuffix(f, "-attempt.csv.gz"):
			require.Len(t, rows, 5)
		default:
			require.Len(t, rows, 2)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.part"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// readArchive returns the records up to the error; a file that is still written has no end.
func readArchive(t *testing.T, path string) (rows [][]string, err error) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // only read from
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for r := csv.NewReader(z); ; {
		row, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}

// What cannot be written to the archive is not deleted.
func TestArchiveFails(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(t, "a")
	b.age(t, "100 days")
	dir := t.TempDir()
	archive, err := retention.NewArchive(dir, b.now)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(dir))
	p := b.params()
	p.Archive = archive
	_, err = retention.Prune(t.Context(), p)
	require.ErrorContains(t, err, "error creating the archive")
	require.Len(t, dbtest.List[int64](t, b, `SELECT rename_id FROM attempt`), 1)
}

// A site with a limit is pruned once an hour, others never.
func TestKeepDue(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.load(t, "a")
	b.age(t, "100 days")
	cfg := retention.KeeperConfig{DB: b.DB, Sites: func() []int { return []int{b.site.ID} }, Logger: slog.New(slog.DiscardHandler)}
	left := func() int { return len(dbtest.List[int64](t, b, `SELECT rename_id FROM attempt`)) }
	keep := func(age string) {
		b.site.Keep = &age
		require.NoError(t, b.SaveSite(t.Context(), b.site))
		require.NoError(t, retention.KeepDue(t.Context(), cfg))
	}
	require.NoError(t, retention.KeepDue(t.Context(), cfg))
	require.Equal(t, 1, left(), "it keeps all")
	keep("200d")
	require.Equal(t, 1, left(), "nothing is that old")
	keep("90d")
	require.Equal(t, 1, left(), "the hour is not over")
	dbtest.Exec(t, b, `UPDATE site SET pruned_at = pruned_at - interval '61 min'`)
	keep("90d")
	require.Zero(t, left())

	b.load(t, "a")
	b.age(t, "100 days")
	dbtest.Exec(t, b, `UPDATE site SET pruned_at = NULL`)
	tx, err := b.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock(hashtext('relabel keep'))`)
	require.NoError(t, err)
	keep("90d")
	require.Equal(t, 1, left(), "another process looks after it")
	require.NoError(t, tx.Rollback(t.Context()))
	keep("90d")
	require.Zero(t, left())
}

// Workers leave batches alone that were examined lately, and what their rows name.
func TestPruneLeavesExaminedBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first, second := b.load(t, "a"), b.load(t, "a")
	b.load(t, "a")
	b.age(t, "100 days")
	dbtest.Exec(t, b, `UPDATE rename SET superseded_by = $1 WHERE id = $2`, second.IDs[0], first.IDs[0])
	dbtest.Exec(t, b, `UPDATE batch SET pruned_at = now() - interval '1 day' WHERE id = $1`, first.Batch)
	p := b.params()
	p.Recheck = 7 * 24 * time.Hour
	require.Equal(t, map[string]int64{"attempt": 3}, prune(t, p))
	dbtest.Exec(t, b, `UPDATE batch SET pruned_at = now() - interval '8 days'`)
	require.Equal(t, map[string]int64{"rename": 2, "batch": 2}, prune(t, p))
}

// What a site need not keep goes to the archive first, and the audit log says it: one entry a
// day and setting.
func TestKeepIsRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	dir := filepath.Join(t.TempDir(), "old")
	cfg := retention.KeeperConfig{DB: b.DB, Sites: func() []int { return []int{b.site.ID} }, Who: "me@here", Archive: dir, Logger: slog.New(slog.DiscardHandler)}
	keep := func(age string) []string {
		t.Helper()
		b.site.Keep = &age
		require.NoError(t, b.SaveSite(t.Context(), b.site))
		dbtest.Exec(t, b, `UPDATE site SET pruned_at = NULL`)
		require.NoError(t, retention.KeepDue(t.Context(), cfg))
		return dbtest.List[string](t, b, `SELECT concat_ws('|', who, via, action, subject, detail, rows, result) FROM audit ORDER BY id`)
	}
	require.Empty(t, keep("90d"), "nothing went")
	load := func(targets ...string) {
		t.Helper()
		b.load(t, targets...)
		b.age(t, "100 days")
		dbtest.Exec(t, b, `UPDATE audit SET at = clock_timestamp()`)
		dbtest.Exec(t, b, `UPDATE batch SET pruned_at = NULL`)
	}
	load("a", "b")
	load("a")
	require.Equal(t, []string{"me@here|worker|prune|site default|older than 90d: 3 of attempt, 1 of rename|4|done"}, keep("90d"))
	load("a")
	require.Equal(t, []string{"me@here|worker|prune|site default|older than 90d: 4 of attempt, 2 of rename, 1 of batch|7|done"}, keep("90d"), "the same day")
	load("a")
	require.Len(t, keep("80d"), 2, "another setting")
	load("a")
	dbtest.Exec(t, b, `UPDATE audit SET at = at - interval '25 hours'`)
	require.Len(t, keep("80d"), 3, "another day")
	files, err := filepath.Glob(filepath.Join(dir, "relabel-*-attempt.csv.gz"))
	require.NoError(t, err)
	require.Len(t, files, 4)
}
