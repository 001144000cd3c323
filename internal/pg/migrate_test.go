package pg_test

import (
	"context"
	"io/fs"
	"log/slog"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/sourcegraph/conc/pool"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
	"relabel/migrations"
)

// setupEmpty gives a database in which nothing is.
func setupEmpty(t *testing.T) *testBundle {
	t.Helper()
	url := dbtest.EmptyURL(t)
	return &testBundle{DB: dbtest.Open(t, url), url: url}
}

func (b *testBundle) migrationStatus(t testing.TB) pg.MigrationStatus {
	t.Helper()
	s, err := b.MigrationStatus(t.Context())
	require.NoError(t, err)
	return s
}

// riverIn runs River's own migrations in a schema.
func (b *testBundle) riverIn(t testing.TB, schema string, dir rivermigrate.Direction, target int) {
	t.Helper()
	m, err := rivermigrate.New(riverpgxv5.New(b.Pool()), &rivermigrate.Config{
		Schema: schema, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	_, err = m.Migrate(t.Context(), dir, &rivermigrate.MigrateOpts{TargetVersion: target})
	require.NoError(t, err)
}

func TestMigrationsAreNumberedWithoutGaps(t *testing.T) {
	t.Parallel()
	ups, err := fs.Glob(migrations.FS, "*.up.sql")
	require.NoError(t, err)
	require.NotEmpty(t, ups)
	all, err := fs.Glob(migrations.FS, "*.sql")
	require.NoError(t, err)
	require.Len(t, all, 2*len(ups), "each up has its down, and nothing else is there")
	form := regexp.MustCompile(`^(\d{3})_([a-z0-9_]+)\.up\.sql$`)
	for i, name := range ups {
		part := form.FindStringSubmatch(name)
		require.NotNil(t, part, name)
		n, err := strconv.Atoi(part[1])
		require.NoError(t, err)
		require.Equal(t, i+1, n, name)
		require.Contains(t, all, part[1]+"_"+part[2]+".down.sql")
	}
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	b := setupEmpty(t)
	objects := func() int {
		return value[int](t, b, `
			SELECT (SELECT count(*) FROM pg_class c WHERE c.relnamespace NOT IN (SELECT oid FROM pg_namespace
				WHERE nspname IN ('pg_catalog', 'information_schema', 'pg_toast')))::int
				+ (SELECT count(*) FROM pg_namespace WHERE nspname = 'relabel')::int`)
	}
	require.Zero(t, objects())
	for range 2 {
		require.NoError(t, b.Migrate(t.Context()))
		require.NoError(t, b.Migrate(t.Context()), "nothing left to do")
		require.True(t, b.migrationStatus(t).Current())
		dbtest.Settle(t, b.DB, b.load(t).IDs[0], db.RowSucceeded)

		require.NoError(t, b.MigrateDown(t.Context()))
		require.Zero(t, objects())
		require.NoError(t, b.MigrateDown(t.Context()), "nothing left to remove")
		require.Zero(t, objects())
	}
}

// Several processes that start at once on an empty database.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := dbtest.EmptyURL(t)
	crowd := pool.New().WithErrors()
	for range 8 {
		d := dbtest.Open(t, url)
		crowd.Go(func() error { return d.Migrate(t.Context()) })
	}
	require.NoError(t, crowd.Wait())
	b := &testBundle{DB: dbtest.Open(t, url), url: url}
	require.True(t, b.migrationStatus(t).Current())
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM site`))
}

// Those who wait for the lock leave the pool to the one that works.
func TestMigrateAtOnceInOnePool(t *testing.T) {
	t.Parallel()
	url := dbtest.EmptyURL(t)
	d, err := db.Open(t.Context(), pg.Config{URL: url, MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	b := &testBundle{DB: d, url: url}
	crowd := pool.New().WithErrors()
	for range 4 {
		crowd.Go(func() error { return b.Migrate(t.Context()) })
	}
	require.NoError(t, crowd.Wait())
	require.True(t, b.migrationStatus(t).Current())
}

func TestMigrationStatus(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare        func(t *testing.T, b *testBundle)
		current, ahead bool
		version, river int // below the latest by so much; -1: nothing is there
		migrates       bool
	}{
		"empty": {
			prepare: func(*testing.T, *testBundle) {}, version: -1, river: -1, migrates: true,
		},
		"schema only": {
			prepare: func(t *testing.T, b *testBundle) { b.exec(t, `CREATE SCHEMA relabel`) }, version: -1, river: -1, migrates: true,
		},
		"River not yet": {
			prepare: func(t *testing.T, b *testBundle) {
				require.NoError(t, b.Migrate(t.Context()))
				b.riverIn(t, pg.Schema, rivermigrate.DirectionDown, -1)
			},
			river: -1, migrates: true,
		},
		"River half": {
			prepare: func(t *testing.T, b *testBundle) {
				require.NoError(t, b.Migrate(t.Context()))
				b.riverIn(t, pg.Schema, rivermigrate.DirectionDown, b.migrationStatus(t).RiverLatest-1)
			},
			river: 1, migrates: true,
		},
		"current": {
			prepare: func(t *testing.T, b *testBundle) { require.NoError(t, b.Migrate(t.Context())) }, current: true, migrates: true,
		},
		"newer, with all that we need": {
			prepare: func(t *testing.T, b *testBundle) {
				require.NoError(t, b.Migrate(t.Context()))
				b.exec(t, `UPDATE schema_version SET version = version + 1, compatible_from = version`)
			},
			ahead: true, migrates: true,
		},
		"newer, without what we need": {
			prepare: func(t *testing.T, b *testBundle) {
				require.NoError(t, b.Migrate(t.Context()))
				b.exec(t, `UPDATE schema_version SET version = version + 1, compatible_from = version + 1`)
			},
			ahead: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setupEmpty(t)
			tt.prepare(t, b)
			s := b.migrationStatus(t)
			require.Positive(t, s.Latest)
			require.Positive(t, s.RiverLatest)
			require.Equal(t, tt.current, s.Current())
			require.Equal(t, tt.ahead, s.Ahead())
			if tt.ahead {
				require.Equal(t, s.Latest+1, s.Version)
			} else {
				require.Equal(t, below(s.Latest, tt.version), s.Version)
			}
			require.Equal(t, below(s.RiverLatest, tt.river), s.River)
			err := b.Migrate(t.Context())
			if !tt.migrates {
				require.ErrorContains(t, err, "install a newer relabel")
				require.Equal(t, s, b.migrationStatus(t))
				return
			}
			require.NoError(t, err)
			if tt.ahead {
				require.Equal(t, s, b.migrationStatus(t), "a newer relabel's tables are not ours to change")
				require.ErrorContains(t, b.MigrateDown(t.Context()), "remove it with the newer relabel")
				require.Equal(t, s, b.migrationStatus(t), "nothing is gone")
				return
			}
			require.True(t, b.migrationStatus(t).Current())
			require.NoError(t, b.migrationStatus(t).Check())
		})
	}
}

func below(latest, n int) int {
	if n < 0 {
		return 0
	}
	return latest - n
}

// The database is the user's own, with a River of its own in schema public and tables named as ours.
func TestMigrateBesidesAnotherRiver(t *testing.T) {
	t.Parallel()
	b := setupEmpty(t)
	theirs := func() []string {
		return dbtest.List[string](t, b, `SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1`)
	}
	b.riverIn(t, "public", rivermigrate.DirectionUp, 0)
	b.exec(t, `CREATE TABLE public.batch (id int); CREATE TABLE public.site (id int)`)
	b.exec(t, `INSERT INTO public.river_job (kind, max_attempts, args) VALUES ('theirs', 1, '{}')`)
	before := theirs()

	require.Equal(t, pg.MigrationStatus{Latest: b.migrationStatus(t).Latest, RiverLatest: b.migrationStatus(t).RiverLatest},
		b.migrationStatus(t), "theirs is not taken for ours")
	require.NoError(t, b.Migrate(t.Context()))
	require.True(t, b.migrationStatus(t).Current())
	require.Equal(t, before, theirs())
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM river_job`), "ours is another table")

	require.NoError(t, b.MigrateDown(t.Context()))
	require.Equal(t, before, theirs())
	require.Equal(t, 1, value[int](t, b, `SELECT count(*)::int FROM public.river_job`))
}

// A process that is stopped while it waits to migrate leaves the lock to the others.
func TestMigrateStopped(t *testing.T) {
	t.Parallel()
	b := setupEmpty(t)
	tx := dbtest.Begin(t, b)
	_, err := tx.Exec(t.Context(), `SELECT pg_advisory_xact_lock($1)`, int64(0x72656c6162656c))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- b.Migrate(ctx) }()
	require.Eventually(t, func() bool { // it asks again and again
		return value[bool](t, b, `SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock%' AND state = 'idle')`)
	}, patience, time.Millisecond)
	cancel()
	require.Error(t, <-stopped)
	require.NoError(t, tx.Rollback(t.Context()))
	require.NoError(t, b.Migrate(t.Context()))
}

// A migration may be killed after any version; the next one goes on there.
func TestMigrateGoesOnWhereItWasKilled(t *testing.T) {
	t.Parallel()
	b := setupEmpty(t)
	latest := b.migrationStatus(t).RiverLatest
	_, err := b.Pool().Exec(t.Context(), "CREATE SCHEMA "+pg.Schema)
	require.NoError(t, err)
	for version := 1; version <= latest; version++ {
		b.riverIn(t, pg.Schema, rivermigrate.DirectionUp, version)
		require.Equal(t, version, b.migrationStatus(t).River)
	}
	b.riverIn(t, pg.Schema, rivermigrate.DirectionDown, 2)
	require.Equal(t, 2, b.migrationStatus(t).River)
	require.NoError(t, b.Migrate(t.Context()))
	require.True(t, b.migrationStatus(t).Current())
}
