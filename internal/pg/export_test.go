package pg

import (
	"context"

	"github.com/jackc/tern/v2/migrate"
)

// MigrateTo brings our own tables to a version, up or down.
func (db *DB) MigrateTo(ctx context.Context, version int32) error {
	return db.withMigrator(ctx, func(m *migrator) error {
		return m.ours(ctx, func(o *migrate.Migrator) error { return o.MigrateTo(ctx, version) })
	})
}
