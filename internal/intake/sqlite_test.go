package intake_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"relabel/internal/intake"
)

// sqliteFile is a file with 2,500 wanted names, in a folder whose name needs escaping.
func sqliteFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a b?c#d%41&e.db")
	execSQLite(t, path, `
		CREATE TABLE wanted (asset_id TEXT, display_name, alt_text TEXT, n INTEGER, x REAL);
		WITH RECURSIVE seq(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM seq WHERE i < 2500)
		INSERT INTO wanted SELECT printf('%024x', i), 'name ' || i, NULL, i, i / 2.0 FROM seq`)
	return path
}

func execSQLite(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path))
	require.NoError(t, err)
	defer db.Close() //nolint:errcheck // a test's
	_, err = db.Exec(query)
	require.NoError(t, err)
}

func TestSQLiteReads(t *testing.T) {
	t.Parallel()
	path := sqliteFile(t)
	for name, tt := range map[string]struct{ url, query string }{
		"plain":        {"sqlite:" + path, `SELECT asset_id, display_name FROM wanted ORDER BY asset_id`},
		"with slashes": {"sqlite://" + path, `SELECT * FROM wanted ORDER BY asset_id;`},
		"with":         {"sqlite:" + path, `WITH w AS (SELECT * FROM wanted) SELECT asset_id, display_name AS [set; it] , display_name FROM w ORDER BY 1 -- ;`},
		"recursive":    {"sqlite:" + path, `WITH RECURSIVE seq(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM seq WHERE i < 2500) SELECT printf('%024x', i) AS asset_id, 'name ' || i AS display_name FROM seq`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, err := queryAll(t, intake.SQLParams{URL: tt.url, Query: tt.query})
			require.NoError(t, err)
			require.Len(t, rows, 2500)
			require.Equal(t, "name 2500", *rows[2499].DisplayName)
			require.Nil(t, rows[0].AltText)
		})
	}
	rows, err := queryAll(t, intake.SQLParams{
		URL: "sqlite:" + path, Query: `SELECT asset_id, n AS display_name, x AS alt_text, CASE n WHEN 2 THEN x'ff' END AS expected_name FROM wanted ORDER BY 1`,
	})
	require.NoError(t, err)
	require.Equal(t, "1", *rows[0].DisplayName)
	require.Equal(t, "0.5", *rows[0].AltText)
	require.Contains(t, rows[1].Problems[0].Message, "0xFF, which is not UTF-8")
}

func TestSQLiteChangesNothing(t *testing.T) {
	t.Parallel()
	path := sqliteFile(t)
	other := filepath.Join(t.TempDir(), "other.db")
	execSQLite(t, other, `CREATE TABLE secret (asset_id, display_name); INSERT INTO secret VALUES ('geheim', 'geheim')`)
	for name, tt := range map[string]struct{ query, want string }{
		"second statement": {`SELECT asset_id FROM wanted; DROP TABLE wanted`, "several statements; give one SELECT"},
		"attach":           {`ATTACH '` + other + `' AS o`, "give one SELECT"},
		"attach first":     {`SELECT 1; ATTACH '` + other + `' AS o; SELECT * FROM o.secret`, "give one SELECT"},
		"hidden":           {"SELECT '\\'; ATTACH '" + other + "' AS o; SELECT * FROM o.secret", "several statements"},
		"delete":           {`DELETE FROM wanted RETURNING asset_id, display_name`, "give one SELECT"},
		"delete after":     {`WITH w AS (SELECT 1) DELETE FROM wanted RETURNING asset_id, display_name`, "not authorized; relabel only reads"},
		"pragma":           {`SELECT name AS asset_id, type AS display_name FROM pragma_table_info('wanted')`, "relabel only reads"},
		"endless":          {`WITH RECURSIVE seq(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM seq) SELECT max(i) AS asset_id, 'x' AS display_name FROM seq`, "took longer than 300ms"},
		"no such table":    {`SELECT * FROM nothing_here`, "no such table: nothing_here"},
		"missing column":   {`SELECT display_name FROM wanted`, "no column says which asset is meant"},
		"no rows":          {`SELECT asset_id, 'x' AS display_name FROM wanted WHERE false`, "yields no rows"},
		"error on row 2k":  {`SELECT asset_id, CASE n WHEN 2000 THEN abs(-9223372036854775808) ELSE 'x' END AS display_name FROM wanted`, "integer overflow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = queryAll(t, intake.SQLParams{URL: "sqlite:" + path, Query: tt.query, FetchTimeout: 300 * time.Millisecond})
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

func TestSQLiteFileErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "names.csv")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("asset_id,display_name\n", 100)), 0o600))
	for name, tt := range map[string]struct{ url, want string }{
		"missing":      {"sqlite:" + filepath.Join(dir, "none.db"), "none.db: no such file: check the path"},
		"folder":       {"sqlite:" + dir, "is a folder"},
		"no database":  {"sqlite:" + text, "file is not a database"},
		"no path":      {"sqlite:", "it should look like sqlite:FILE"},
		"not our file": {"sqlite:/etc/passwd", "not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params := intake.SQLParams{URL: tt.url, Query: `SELECT 1 AS asset_id, 2 AS display_name FROM x`}
			if name == "not our file" {
				params.Open = func(string) (*os.File, error) { return nil, errors.New("not allowed") }
			}
			_, err := queryAll(t, params)
			require.ErrorContains(t, err, tt.want)
			require.NoFileExists(t, filepath.Join(dir, "none.db"))
		})
	}
}

// Ctrl-C ends a query between two fetches.
func TestSQLiteInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := intake.OpenSQL(ctx, intake.SQLParams{URL: "sqlite:" + sqliteFile(t), Query: `SELECT asset_id, display_name FROM wanted`})
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test's
	var last error
	for _, err := range s.Chunks(ctx) {
		last = err
		cancel()
	}
	require.ErrorIs(t, last, context.Canceled)
}
