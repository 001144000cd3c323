package pg_test

import (
	"iter"
	"regexp"
	"testing"
	"time"

	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

// hostile is shorter than any of this test's statements.
const hostile = "300ms"

// providerBundle is a database of a provider: relabel's role is an ordinary one.
type providerBundle struct {
	*testBundle

	admin *testBundle
}

func setupProvider(t *testing.T) *providerBundle {
	t.Helper()
	adminURL := dbtest.EmptyURL(t)
	admin := &testBundle{DB: dbtest.Open(t, adminURL), url: adminURL}
	url := dbtest.OrdinaryRole(t, adminURL)
	set := map[string]string{
		"statement_timeout": hostile, "lock_timeout": hostile, "idle_in_transaction_session_timeout": hostile, "idle_session_timeout": hostile,
		"default_transaction_isolation": "serializable", "search_path": "public", "timezone": "Asia/Tokyo",
	}
	if value[bool](t, admin, `SELECT current_setting('transaction_timeout', true) IS NOT NULL`) {
		set["transaction_timeout"] = hostile
	}
	dbtest.AlterRole(t, adminURL, url, set)
	return &providerBundle{testBundle: &testBundle{DB: dbtest.Open(t, url), url: url}, admin: admin}
}

// outlasts waits until a statement of relabel's has taken longer than the provider allows.
func (b *providerBundle) outlasts(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return value[bool](t, b.admin, `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
				AND state = 'active' AND clock_timestamp() - query_start > 2 * $1::text::interval)`, hostile)
	}, patience, 10*time.Millisecond)
}

// blocked runs fn while somebody holds a lock that it needs, for longer than the provider allows.
func (b *providerBundle) blocked(t *testing.T, lock string, fn func() error) {
	t.Helper()
	tx := dbtest.Begin(t, b.admin)
	_, err := tx.Exec(t.Context(), lock)
	require.NoError(t, err)
	work := pool.New().WithErrors()
	work.Go(fn)
	b.outlasts(t)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, work.Wait())
}

// slowly gives the last row only when its COPY has outlasted the provider's time-outs.
func (b *providerBundle) slowly(t *testing.T, rows iter.Seq2[*db.SourceRow, error]) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		for row, err := range rows {
			if row.AssetID == "last" {
				b.outlasts(t)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// A provider's time-outs end no migration, no load and no comparison in the middle. An
// ordinary role with the rights of docs/operations.md may do all of it.
func TestProvidersDatabase(t *testing.T) {
	t.Parallel()
	b := setupProvider(t)
	require.NoError(t, b.Migrate(t.Context()))
	require.NoError(t, b.Migrate(t.Context()))
	require.True(t, b.migrationStatus(t).Current())

	site := value[int](t, b.testBundle, `SELECT id FROM site WHERE name = $1`, db.DefaultSite)
	p := dbtest.Params(site, b.slowly(t, dbtest.Rows("a", "b", "last")))
	p.Planned = true
	plan := dbtest.Load(t, b.DB, p)
	b.blocked(t, `SELECT FROM relabel.batch FOR UPDATE`, func() error {
		return b.CompareWithRecord(t.Context(), plan.Batch)
	})
	dbtest.Settle(t, b.DB, b.load(t).IDs[0], db.RowSucceeded)

	b.blocked(t, `LOCK relabel.river_job`, func() error { return b.MigrateDown(t.Context()) })
	require.Zero(t, value[int](t, b.admin, `SELECT count(*)::int FROM pg_class WHERE relnamespace = 'relabel'::regnamespace`))
	require.Equal(t, 2, value[int](t, b.admin, `SELECT count(*)::int FROM pg_class WHERE relnamespace = 'public'::regnamespace`), "others' tables")
	require.NoError(t, b.Migrate(t.Context()), "into the schema that stays")
}

// Tern's RESET ALL between two migrations brings a role's settings back.
func TestMigrationsKeepTheirSettings(t *testing.T) {
	t.Parallel()
	b := setupProvider(t)
	require.NoError(t, b.MigrateTo(t.Context(), beforeIndexes))
	b.blocked(t, `LOCK relabel.batch`, func() error { return b.MigrateTo(t.Context(), beforeIndexes+1) })
}

// Without the schema, and without the right to make it, the message has the statement to run.
func TestMigrateWithoutRight(t *testing.T) {
	t.Parallel()
	b := setupProvider(t)
	b.admin.exec(t, `DROP SCHEMA relabel`)
	err := b.Migrate(t.Context())
	require.ErrorContains(t, err, `may not create the schema relabel; an administrator can: CREATE SCHEMA relabel AUTHORIZATION "relabel_test_`)
	b.admin.exec(t, regexp.MustCompile(`CREATE SCHEMA .*`).FindString(err.Error()))
	require.NoError(t, b.Migrate(t.Context()))
}

// A server that does not tell its timeline is used all the same.
func TestOpenWithoutTimelines(t *testing.T) {
	t.Parallel()
	b := setupProvider(t)
	b.admin.exec(t, `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	defer b.admin.exec(t, `GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC`) // tests share databases
	d, err := pg.Open(t.Context(), pg.Config{URL: b.url})
	require.NoError(t, err)
	defer d.Close()
	_, err = d.Now(t.Context())
	require.NoError(t, err)
}
