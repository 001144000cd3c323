package pg

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/tern/v2/migrate"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"relabel/migrations"
)

// migrateLock is the advisory lock under which a process migrates: River's
// tables, then ours. The number is the ASCII of "relabel".
const migrateLock = 0x72656c6162656c

// MigrationStatus compares a database's versions with the newest that this program
// knows. Versions count migrations from 1; 0 is none.
type MigrationStatus struct {
	Version     int `json:"version"`
	Latest      int `json:"latest"`
	River       int `json:"river_version"`
	RiverLatest int `json:"river_latest"`
}

// Current reports whether nothing is left to migrate.
func (s MigrationStatus) Current() bool {
	return s.Version == s.Latest && s.River == s.RiverLatest
}

// Ahead reports whether a newer relabel has migrated this database.
func (s MigrationStatus) Ahead() bool {
	return s.Version > s.Latest || s.River > s.RiverLatest
}

// Migrate brings the schema up to date. Several processes may call it at once:
// one works, the others wait for it.
func (db *DB) Migrate(ctx context.Context) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		if err := m.river(ctx, rivermigrate.DirectionUp); err != nil {
			return err
		}
		return m.ours(ctx, func(o *migrate.Migrator) error { return o.Migrate(ctx) }) // 019 changes River's table
	})
}

// MigrateDown removes everything of relabel's from the database, data included.
func (db *DB) MigrateDown(ctx context.Context) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		if err := m.river(ctx, rivermigrate.DirectionDown); err != nil {
			return err
		}
		if err := m.ours(ctx, func(o *migrate.Migrator) error { return o.MigrateTo(ctx, 0) }); err != nil {
			return err
		}
		return m.patiently(ctx, func() error {
			_, err := m.conn.Exec(ctx, "DROP SCHEMA "+Schema+" CASCADE")
			return err
		})
	})
}

// MigrationStatus reads without changing anything.
func (db *DB) MigrationStatus(ctx context.Context) (MigrationStatus, error) {
	var st MigrationStatus
	names, err := upFiles()
	if err != nil {
		return st, err
	}
	st.Latest = len(names)
	rm, err := riverMigrator(db.pool)
	if err != nil {
		return st, err
	}
	versions := rm.AllVersions()
	st.RiverLatest = versions[len(versions)-1].Version
	return st, db.readVersions(ctx, &st)
}

func (db *DB) readVersions(ctx context.Context, st *MigrationStatus) error {
	for table, query := range map[string]string{
		"schema_version": "SELECT version FROM " + Schema + ".schema_version",
		// River's table has a line only from its fifth version on; a migration may have been killed before.
		"river_migration": "SELECT coalesce(max(version), 0) FROM " + Schema + ".river_migration m WHERE coalesce(to_jsonb(m)->>'line', 'main') = 'main'",
	} {
		var exists bool
		if err := db.pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", Schema+"."+table).Scan(&exists); err != nil {
			return fmt.Errorf("error reading migration status: %w", err)
		}
		if !exists {
			continue
		}
		target := &st.Version
		if table == "river_migration" {
			target = &st.River
		}
		if err := db.pool.QueryRow(ctx, query).Scan(target); err != nil {
			return fmt.Errorf("error reading %s: %w", table, err)
		}
	}
	return nil
}

type migrator struct {
	db      *DB
	cfg     *pgx.ConnConfig
	conn    *pgx.Conn
	backend atomic.Uint32 // the PostgreSQL process that migrates now
}

// withMigrator holds the migration lock on a connection of its own while fn runs.
// Waiting processes could use up a pool, so that River's migrations would get no
// connection.
func (db *DB) withMigrator(ctx context.Context, fn func(*migrator) error) error {
	m := &migrator{db: db, cfg: db.pool.Config().ConnConfig}
	m.cfg.RuntimeParams["application_name"] = "relabel migrate"
	m.cfg.RuntimeParams["lock_timeout"] = milliseconds(lockTime) // tern's RESET ALL brings it back
	var err error
	if m.conn, err = pgx.ConnectConfig(ctx, m.cfg); err != nil {
		return fmt.Errorf("error getting a connection to migrate: %w", err)
	}
	defer m.conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // its lock goes with it
	if err := m.takeTurn(ctx); err != nil {
		return err
	}
	// On the way down too: the table of versions is made in it first.
	if _, err := m.conn.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+Schema); err != nil {
		return fmt.Errorf("error creating schema %s: %w", Schema, err)
	}
	return fn(m)
}

func (m *migrator) ours(ctx context.Context, run func(*migrate.Migrator) error) error {
	o, err := migrate.NewMigrator(ctx, m.conn, Schema+".schema_version")
	if err != nil {
		return fmt.Errorf("error preparing migrations: %w", err)
	}
	names, err := upFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		up, down, err := readMigration(name)
		if err != nil {
			return err
		}
		o.AppendMigration(name, up, down)
	}
	m.backend.Store(m.conn.PgConn().PID())
	if err := m.patiently(ctx, func() error { return run(o) }); err != nil {
		return fmt.Errorf("error migrating relabel's tables: %w", err)
	}
	return nil
}

func (m *migrator) river(ctx context.Context, dir rivermigrate.Direction) error {
	pool, err := m.riverPool(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	rm, err := riverMigrator(pool)
	if err != nil {
		return err
	}
	opts := &rivermigrate.MigrateOpts{}
	if dir == rivermigrate.DirectionDown {
		opts.TargetVersion = -1 // all of them
	}
	err = m.patiently(ctx, func() error {
		_, err := rm.Migrate(ctx, dir, opts)
		return err
	})
	if err != nil {
		return fmt.Errorf("error migrating River's tables: %w", err)
	}
	return nil
}

// riverPool is one connection, as River wants a pool, with the migrator's settings.
func (m *migrator) riverPool(ctx context.Context) (*pgxpool.Pool, error) {
	cfg := m.db.pool.Config()
	cfg.ConnConfig, cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = m.cfg.Copy(), 1, 0, 0
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		m.backend.Store(conn.PgConn().PID())
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("error getting a connection for River's migrations: %w", err)
	}
	return pool, nil
}

func riverMigrator(pool *pgxpool.Pool) (*rivermigrate.Migrator[pgx.Tx], error) {
	rm, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{
		Schema: Schema,
		Logger: slog.New(slog.DiscardHandler), // one line a version is not news
	})
	if err != nil {
		return nil, fmt.Errorf("error preparing River's migrations: %w", err)
	}
	return rm, nil
}

// upFiles lists the migrations in the order of their numbers: fs.Glob sorts by name.
func upFiles() ([]string, error) {
	return fs.Glob(migrations.FS, "*.up.sql")
}

func readMigration(upName string) (up, down string, err error) {
	upSQL, err := fs.ReadFile(migrations.FS, upName)
	if err != nil {
		return "", "", fmt.Errorf("error reading migration: %w", err)
	}
	downSQL, err := fs.ReadFile(migrations.FS, strings.Replace(upName, ".up.", ".down.", 1))
	if err != nil {
		return "", "", fmt.Errorf("error reading migration: %w", err)
	}
	return string(upSQL), string(downSQL), nil
}
