package pg

import (
	"context"
	"fmt"
)

// MigrationStatus compares a database's versions with the newest that this program
// knows. Versions count migrations from 1; 0 is none.
type MigrationStatus struct {
	Version     int `json:"version"`
	Latest      int `json:"latest"`
	River       int `json:"river_version"`
	RiverLatest int `json:"river_latest"`

	// CompatibleFrom is the schema that a program must know to use this database.
	CompatibleFrom int `json:"compatible_from"`
}

// Current reports whether nothing is left to migrate.
func (s MigrationStatus) Current() bool {
	return s.Version == s.Latest && s.River == s.RiverLatest
}

// Ahead reports whether a newer relabel has migrated this database.
func (s MigrationStatus) Ahead() bool {
	return s.Version > s.Latest || s.River > s.RiverLatest
}

// Newer says what is newer in a database that is ahead.
func (s MigrationStatus) Newer() string {
	if s.Version > s.Latest {
		return fmt.Sprintf("the database has schema %d, this relabel knows %d", s.Version, s.Latest)
	}
	return fmt.Sprintf("the database has version %d of River's tables, this relabel knows %d", s.River, s.RiverLatest)
}

// Check returns an error if this program may not use the database. It may use a newer
// schema that has all that this program needs.
func (s MigrationStatus) Check() error {
	switch {
	case s.CompatibleFrom > s.Latest:
		return &SchemaError{s}
	case !s.Current() && !s.Ahead():
		return fmt.Errorf("the database is at version %d of %d: run `relabel migrate up` first", s.Version, s.Latest)
	}
	return nil
}

// SchemaError reports a schema that lacks what this program needs.
type SchemaError struct{ MigrationStatus }

func (e *SchemaError) Error() string {
	return fmt.Sprintf("the database has schema %d, which needs a relabel that knows schema %d; this one knows %d: install a newer relabel",
		e.Version, e.CompatibleFrom, e.Latest)
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
	for table, read := range map[string]func(context.Context, *MigrationStatus) error{
		"schema_version": db.ReadSchema, "river_migration": db.readRiver,
	} {
		var exists bool
		if err := db.pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", Schema+"."+table).Scan(&exists); err != nil {
			return fmt.Errorf("error reading migration status: %w", err)
		}
		if !exists {
			continue
		}
		if err := read(ctx, st); err != nil {
			return err
		}
	}
	return nil
}

// ReadSchema reads again what changes in a status when somebody migrates relabel's own
// tables. The column is missing until a program that knows it has migrated.
func (db *DB) ReadSchema(ctx context.Context, st *MigrationStatus) error {
	err := db.pool.QueryRow(ctx, `
		SELECT version, coalesce((to_jsonb(v)->>'compatible_from')::int, 0) FROM `+Schema+`.schema_version v`).
		Scan(&st.Version, &st.CompatibleFrom)
	if err != nil {
		return fmt.Errorf("error reading schema_version: %w", err)
	}
	return nil
}

// readRiver reads River's version. River's table has a line only from its fifth version
// on; a migration may have been killed before.
func (db *DB) readRiver(ctx context.Context, st *MigrationStatus) error {
	err := db.pool.QueryRow(ctx, `
		SELECT coalesce(max(version), 0) FROM `+Schema+`.river_migration m
		WHERE coalesce(to_jsonb(m)->>'line', 'main') = 'main'`).Scan(&st.River)
	if err != nil {
		return fmt.Errorf("error reading river_migration: %w", err)
	}
	return nil
}
