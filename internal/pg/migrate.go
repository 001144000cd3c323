package pg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/tern/v2/migrate"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"relabel/migrations"
)

// migrateLock is the advisory lock under which a process migrates: River's
// tables, then ours. The number is the ASCII of "relabel".
const migrateLock = 0x72656c6162656c

// noRight is PostgreSQL's code for a missing right.
const noRight = "42501"

// Migrate brings the schema up to date. Several processes may call it at once:
// one works, the others wait for it. It leaves a newer schema as it is, and fails if this
// program may not use that.
func (db *DB) Migrate(ctx context.Context) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		if st, err := db.MigrationStatus(ctx); err != nil || st.Ahead() {
			return cmp.Or(err, st.Check())
		}
		if err := m.river(ctx, rivermigrate.DirectionUp); err != nil {
			return err
		}
		return m.ours(ctx, func(o *migrate.Migrator) error { // 019 changes River's table
			if err := m.recordCompatible(ctx); err != nil {
				return err
			}
			return o.Migrate(ctx)
		})
	})
}

// MigrateDown removes everything of relabel's from the database, data included.
func (db *DB) MigrateDown(ctx context.Context) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		if st, err := db.MigrationStatus(ctx); err != nil || st.Ahead() {
			return cmp.Or(err, fmt.Errorf("%s: remove it with the newer relabel", st.Newer()))
		}
		if err := m.river(ctx, rivermigrate.DirectionDown); err != nil {
			return err
		}
		if err := m.ours(ctx, func(o *migrate.Migrator) error { return o.MigrateTo(ctx, 0) }); err != nil {
			return err
		}
		return m.dropSchema(ctx)
	})
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
	m.cfg.AfterConnect = m.settings(m.cfg.AfterConnect)
	var err error
	if m.conn, err = pgx.ConnectConfig(ctx, m.cfg); err != nil {
		return fmt.Errorf("error getting a connection to migrate: %w", err)
	}
	defer m.conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // its lock goes with it
	if err := m.takeTurn(ctx); err != nil {
		return err
	}
	if err := m.createSchema(ctx); err != nil {
		return err
	}
	return fn(m)
}

// createSchema is needed on the way down too: the table of versions is made in the schema
// first. CREATE SCHEMA IF NOT EXISTS would need the right to create one even if it is there.
func (m *migrator) createSchema(ctx context.Context) error {
	var exists bool
	err := m.conn.QueryRow(ctx, "SELECT to_regnamespace($1) IS NOT NULL", Schema).Scan(&exists)
	if err == nil && !exists {
		_, err = m.conn.Exec(ctx, "CREATE SCHEMA "+Schema)
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == noRight {
		return fmt.Errorf("the role %[1]s may not create the schema %[2]s; an administrator can: CREATE SCHEMA %[2]s AUTHORIZATION %[1]s",
			pgx.Identifier{m.cfg.User}.Sanitize(), Schema)
	}
	if err != nil {
		return fmt.Errorf("error creating schema %s: %w", Schema, err)
	}
	return nil
}

// dropSchema leaves a schema that belongs to another role, and removes our last table.
func (m *migrator) dropSchema(ctx context.Context) error {
	var ours bool
	if err := m.conn.QueryRow(ctx, "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1", Schema).Scan(&ours); err != nil {
		return fmt.Errorf("error reading the owner of schema %s: %w", Schema, err)
	}
	drop := "DROP SCHEMA " + Schema + " CASCADE"
	if !ours {
		drop = "DROP TABLE " + Schema + ".schema_version"
	}
	return m.patiently(ctx, func() error {
		_, err := m.conn.Exec(ctx, drop)
		return err
	})
}

// settings adds to those of all connections what a migration needs.
func (m *migrator) settings(all pgconn.AfterConnectFunc) pgconn.AfterConnectFunc {
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		if err := all(ctx, conn); err != nil {
			return err
		}
		return settings{"lock_timeout": milliseconds(lockTime)}.apply(ctx, conn)
	}
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
	if err := m.watch(ctx, m.conn); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	o.OnStart = func(int32, string, string, string) { // tern's RESET ALL took our settings away
		if err := m.cfg.AfterConnect(ctx, m.conn.PgConn()); err != nil {
			stop(err)
		}
	}
	if err := m.patiently(ctx, func() error { return run(o) }); err != nil {
		return fmt.Errorf("error migrating relabel's tables: %w", cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

// watch has warnOfWaits look at a connection. A pooler gives the client another number
// than the server's process has.
func (m *migrator) watch(ctx context.Context, conn *pgx.Conn) error {
	b, err := askBackend(ctx, conn)
	m.backend.Store(b.pid)
	return err
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
	cfg.AfterConnect = m.watch
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
