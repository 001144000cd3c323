package pg

import (
	"context"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"

	"relabel/migrations"
)

// compatibleLine is the line of a migration that takes something away. Package migrations
// describes it.
var compatibleLine = regexp.MustCompile(`(?m)^-- compatible from (\d{3})$`)

// compatibleFrom returns the oldest schema that a program must know to use a database
// with all migrations of a folder.
func compatibleFrom(fsys fs.FS) (oldest int, err error) {
	names, err := fs.Glob(fsys, "*.up.sql")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return 0, fmt.Errorf("error reading migration: %w", err)
		}
		if m := compatibleLine.FindSubmatch(text); m != nil {
			n, _ := strconv.Atoi(string(m[1])) // digits by the pattern
			oldest = max(oldest, n)
		}
	}
	return oldest, nil
}

// recordCompatible writes down which programs may use the newest schema, before it is made.
// Programs that are too old read that every few seconds, and stop (package cli).
func (m *migrator) recordCompatible(ctx context.Context) error {
	oldest, err := compatibleFrom(migrations.FS)
	if err != nil {
		return err
	}
	_, err = m.conn.Exec(ctx, fmt.Sprintf(`
		ALTER TABLE %[1]s.schema_version ADD COLUMN IF NOT EXISTS compatible_from int NOT NULL DEFAULT 0;
		UPDATE %[1]s.schema_version SET compatible_from = greatest(compatible_from, %[2]d)`, Schema, oldest))
	if err != nil {
		return fmt.Errorf("error recording which programs may use the schema: %w", err)
	}
	return nil
}
