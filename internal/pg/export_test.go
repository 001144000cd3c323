package pg

import (
	"context"
	"io/fs"

	"github.com/jackc/tern/v2/migrate"
)

// MigrateTo brings our own tables to a version, up or down.
func (db *DB) MigrateTo(ctx context.Context, version int32) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		return m.ours(ctx, func(o *migrate.Migrator) error { return o.MigrateTo(ctx, version) })
	})
}

// Instead is the address to use in place of a pooler's.
func Instead(host string, port uint16) string { return instead(host, port) }

// Settings are those of a connection whose URL has none.
func Settings() map[string]string { return takeSettings(map[string]string{}) }

// CompatibleFrom reads the migrations of a folder.
func CompatibleFrom(fsys fs.FS) (int, error) { return compatibleFrom(fsys) }
