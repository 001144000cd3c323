package pg_test

import (
	"bytes"
	"context"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/migrations"
)

// beforeIndexes is the last version whose migrations are all transactions.
const beforeIndexes = 6

// heard is what was logged.
type heard struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (h *heard) Write(text []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.Write(text)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.buf.String()
}

// An application's long transaction reads a table that a migration wants to
// change. The migration waits for it, says so, and lets others pass meanwhile.
func TestMigrateHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		table   string
		prepare func(t *testing.T, b *testBundle)
		migrate func(context.Context, *pg.DB) error
	}{
		"ours": {
			table:   "batch",
			prepare: func(t *testing.T, b *testBundle) { require.NoError(t, b.MigrateTo(t.Context(), beforeIndexes)) },
			migrate: func(ctx context.Context, d *pg.DB) error { return d.MigrateDown(ctx) },
		},
		"River's": {
			table:   "river_job",
			prepare: func(t *testing.T, b *testBundle) { b.riverIn(t, pg.Schema, rivermigrate.DirectionDown, 3) },
			migrate: func(ctx context.Context, d *pg.DB) error { return d.Migrate(ctx) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			tt.prepare(t, b)
			application := dbtest.Begin(t, b.openWith(t, "application_name=app&idle_in_transaction_session_timeout=0"))
			_, err := application.Exec(t.Context(), `SELECT FROM `+tt.table)
			require.NoError(t, err)

			var log heard
			done := b.migrateBeside(t, &log, tt.migrate)
			dbtest.RequireBlocked(t, b, 1)
			ctx, cancel := context.WithTimeout(t.Context(), patience/2)
			defer cancel()
			_, err = b.Pool().Exec(ctx, `SELECT FROM `+tt.table)
			require.NoError(t, err, "others pass")
			b.saysWhom(t, &log, application.Conn().PgConn().PID())
			require.NoError(t, application.Rollback(t.Context()))
			require.NoError(t, <-done)
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "said once: %s", &log)
		})
	}
}

// migrateBeside migrates with a pool of its own.
func (b *testBundle) migrateBeside(t *testing.T, log *heard, migrate func(context.Context, *pg.DB) error) <-chan error {
	t.Helper()
	d, err := pg.Open(t.Context(), pg.Config{URL: b.url, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	done := make(chan error, 1)
	go func() { done <- migrate(t.Context(), d) }()
	return done
}

func (b *testBundle) saysWhom(t *testing.T, log *heard, pid uint32) {
	t.Helper()
	said := regexp.MustCompile(`the migration waits.*for="app \(process ` + strconv.Itoa(int(pid)) + `, idle in transaction for `)
	require.Eventually(t, func() bool { return said.MatchString(log.String()) }, patience, 10*time.Millisecond, "%s", log)
}

// An index is made beside others that read and write, and a killed attempt's is
// made again.
func TestMigrateIndexes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.MigrateTo(t.Context(), beforeIndexes))
	b.exec(t, `CREATE INDEX batch_ended_idx ON batch (id)`)
	b.exec(t, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'batch_ended_idx'::regclass`)
	application := dbtest.Begin(t, b.openWith(t, "application_name=app&idle_in_transaction_session_timeout=0"))
	_, err := application.Exec(t.Context(), `UPDATE batch SET total = total`)
	require.NoError(t, err)

	var log heard
	done := b.migrateBeside(t, &log, func(ctx context.Context, d *pg.DB) error { return d.Migrate(ctx) })
	b.saysWhom(t, &log, application.Conn().PgConn().PID())
	b.load(t)
	require.NoError(t, application.Rollback(t.Context()))
	require.NoError(t, <-done)
	require.True(t, b.migrationStatus(t).Current())
	require.Empty(t, dbtest.List[string](t, b, `SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid`))
	require.Equal(t, 2, value[int](t, b, `SELECT count(*)::int FROM pg_class WHERE relname IN ('batch_ended_idx', 'batch_unfinished_idx')`))
}

// Migrations of released versions stay as they are; newer ones make indexes of
// tables that exist CONCURRENTLY, and can be begun again.
func TestIndexesAreMadeConcurrently(t *testing.T) {
	t.Parallel()
	index := regexp.MustCompile(`(?i)CREATE (?:UNIQUE )?INDEX (CONCURRENTLY )?(\w+)\s+ON (\w+)`)
	names, err := fs.Glob(migrations.FS, "*.up.sql")
	require.NoError(t, err)
	for _, name := range names[beforeIndexes:] {
		text, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)
		for _, m := range index.FindAllStringSubmatch(string(text), -1) {
			if regexp.MustCompile(`(?i)CREATE TABLE ` + m[3] + `\b`).Match(text) {
				continue
			}
			require.NotEmpty(t, m[1], "%s: %s keeps all out of %s while it is made", name, m[2], m[3])
			require.Contains(t, string(text), "---- tern: disable-tx ----", name)
			require.Contains(t, string(text), "SET lock_timeout = 0;", name)
			require.Contains(t, string(text), "DROP INDEX CONCURRENTLY IF EXISTS "+m[2]+";", name)
		}
	}
}

// One that waits for its turn to migrate has no snapshot that an index would wait
// for.
func TestMigrateAtOnceWithData(t *testing.T) {
	t.Parallel()
	url := dbtest.URL(t)
	b := &testBundle{DB: dbtest.Open(t, url), url: url}
	require.NoError(t, b.MigrateTo(t.Context(), beforeIndexes))
	var log heard
	var all []<-chan error
	for range 6 {
		all = append(all, b.migrateBeside(t, &log, func(ctx context.Context, d *pg.DB) error { return d.Migrate(ctx) }))
	}
	for _, done := range all {
		require.NoError(t, <-done)
	}
}
