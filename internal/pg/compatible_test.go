package pg_test

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"relabel/internal/pg"
	"relabel/migrations"
)

// rollingSince is the first migration that workers of the release before must survive.
const rollingSince = 22

// takesAway matches what breaks statements that were written for the schema before. An
// index or a constraint that goes breaks none.
var takesAway = regexp.MustCompile(`(?is)\bDROP\s+(TABLE|COLUMN|VIEW|FUNCTION|TYPE|SCHEMA|SEQUENCE)\b` +
	`|\bRENAME\s+(COLUMN\s+|VALUE\s+)?(\w+\s+)?TO\b` + // our table is named rename
	`|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b` +
	`|\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+NOT\s+NULL|DROP\s+DEFAULT)\b`)

// added matches one column that is added, up to the next comma or the end.
var added = regexp.MustCompile(`(?is)\bADD\s+COLUMN\s+[^,;]*`)

// breaksOlder reports whether statements of the schema before may fail after a migration.
// An INSERT does not name a new column, so that needs a default if it is NOT NULL.
func breaksOlder(sql string) bool {
	sql = regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(sql, "")
	for _, column := range added.FindAllString(sql, -1) {
		column = strings.ToUpper(column)
		if strings.Contains(column, "NOT NULL") && !strings.Contains(column, "DEFAULT") {
			return true
		}
	}
	return takesAway.MatchString(sql)
}

// A migration only adds. One that takes something away says which programs can do without.
func TestMigrationsLetThePreviousReleaseWork(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(migrations.FS, "*.up.sql")
	require.NoError(t, err)
	for _, name := range names {
		number, err := strconv.Atoi(name[:3])
		require.NoError(t, err)
		text, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)
		from, err := pg.CompatibleFrom(fstest.MapFS{name: {Data: text}})
		require.NoError(t, err)
		require.Less(t, from, number, "%s: the release before must still work", name)
		if number >= rollingSince && breaksOlder(string(text)) {
			require.NotZero(t, from, "%s takes something away: add the line `-- compatible from NNN`, see CONTRIBUTING.md", name)
		}
	}
}

func TestBreaksOlder(t *testing.T) {
	t.Parallel()
	for sql, breaks := range map[string]bool{
		"ALTER TABLE rename ADD COLUMN remark text":                                 false,
		"ALTER TABLE rename ADD COLUMN a int NOT NULL DEFAULT 0, ADD COLUMN b text": false,
		"CREATE TABLE person (id int NOT NULL)":                                     false,
		"DROP INDEX CONCURRENTLY rename_trouble_idx":                                false,
		"ALTER TABLE site DROP CONSTRAINT site_keep_check":                          false,
		"-- DROP TABLE is for later\nCREATE TABLE person (id int)":                  false,
		"ALTER TABLE rename ADD COLUMN a int NOT NULL, ADD COLUMN b int DEFAULT 1":  true,
		"DROP TABLE seen":                                  true,
		"ALTER TABLE site\n    DROP COLUMN keep":           true,
		"DROP VIEW IF EXISTS batches":                      true,
		"DROP FUNCTION is_worked(int)":                     true,
		"ALTER TABLE site RENAME keep TO kept":             true,
		"ALTER TABLE rename RENAME COLUMN a TO b":          true,
		"ALTER TABLE rename RENAME TO renames":             true,
		"ALTER TABLE site ALTER COLUMN keep TYPE interval": true,
		"ALTER TABLE site ALTER keep SET NOT NULL":         true,
		"alter table site alter column keep drop default":  true,
	} {
		require.Equal(t, breaks, breaksOlder(sql), sql)
	}
}

func TestCompatibleFrom(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	from, err := pg.CompatibleFrom(fstest.MapFS{
		"001_a.up.sql":   file("CREATE TABLE a ()"),
		"002_b.up.sql":   file("-- Nothing reads it.\n-- compatible from 001\nDROP TABLE a;"),
		"003_c.up.sql":   file("CREATE TABLE c ()"),
		"003_c.down.sql": file("-- compatible from 099\n"),
	})
	require.NoError(t, err)
	require.Equal(t, 1, from)
}

// The newest declaration stays, whichever program migrates last.
func TestMigrateKeepsWhatIsCompatible(t *testing.T) {
	t.Parallel()
	b := setupEmpty(t)
	require.NoError(t, b.MigrateTo(t.Context(), 20)) // as a release before the column
	require.Zero(t, b.migrationStatus(t).CompatibleFrom)
	require.NoError(t, b.Migrate(t.Context()))
	latest := b.migrationStatus(t).Latest
	b.exec(t, `UPDATE schema_version SET version = $1, compatible_from = $2`, latest, latest-1)
	require.NoError(t, b.Migrate(t.Context()))
	require.Equal(t, latest-1, b.migrationStatus(t).CompatibleFrom)
}
