package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/pg"
	"relabel/migrations"
)

//nolint:gochecknoglobals // as server
var migrated sync.Map // template name: sync.OnceValue

// template returns the name of a migrated database to copy. The first process makes it.
// The name contains a hash of our migrations and River's, so it is never outdated.
func template(t testing.TB) string {
	t.Helper()
	name := "relabel_template_" + migrationsHash(t)
	once, _ := migrated.LoadOrStore(name, sync.OnceValue(func() error {
		admin, err := server()
		if err != nil {
			return err
		}
		return makeTemplate(context.Background(), admin, name, withDatabase(t, admin, name))
	}))
	require.NoError(t, once.(func() error)())
	return name
}

func migrationsHash(t testing.TB) string {
	t.Helper()
	sum := sha256.New()
	names, err := fs.Glob(migrations.FS, "*.sql")
	require.NoError(t, err)
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)
		sum.Write(text)
	}
	river, err := rivermigrate.New(riverpgxv5.New(nil), nil)
	require.NoError(t, err)
	for _, m := range river.AllVersions() {
		sum.Write([]byte(m.SQLUp))
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func makeTemplate(ctx context.Context, admin, name, templateURL string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // closing it releases its lock
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1)`, int64(templateLock)); err != nil {
		return err
	}
	var ready bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)`,
		name).Scan(&ready); err != nil || ready {
		return err
	}
	if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `CREATE DATABASE `+name+` TEMPLATE template0`); err != nil {
		return err
	}
	if err := migrate(ctx, templateURL); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `ALTER DATABASE `+name+` IS_TEMPLATE true`)
	return err
}

func migrate(ctx context.Context, databaseURL string) error {
	d, err := db.Open(ctx, pg.Config{URL: databaseURL})
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Migrate(ctx)
}
