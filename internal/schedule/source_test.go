package schedule

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/schedule/scheduledb"
	"relabel/internal/standin"
)

// A schedule's row can't make the worker read files that its owner did not mean to be
// read, and no error repeats what is in one.
func TestSourceOutsideItsFolder(t *testing.T) {
	t.Parallel()
	b := setup(t, 2)
	b.write(0, 2)
	secret := filepath.Join(t.TempDir(), "shadow")
	require.NoError(t, os.WriteFile(secret, []byte("root:geheim:19000:0:99999:7:::\n"), 0o600))
	link, env := filepath.Join(filepath.Dir(b.csv), "link.csv"), "NAMES_SOURCE_URL"
	require.NoError(t, os.Symlink(secret, link))
	b.env[env] = b.url
	b.add(nil)
	for day, path := range []string{secret, link, filepath.Dir(b.csv) + "/../../etc/passwd", "/etc/passwd"} {
		for i, s := range []scheduledb.Schedule{{CSV: &path}, {QueryFile: &path}} {
			b.exec(`UPDATE schedule SET csv = $1, query_file = $2, source_env = $3, skip_invalid = true`, s.CSV, s.QueryFile, env)
			run := b.run(at2(1+2*day+i), "failed")
			require.Contains(t, *run.Error, "set RELABEL_SOURCE_DIRS", path)
			require.NotContains(t, *run.Error, "root")
		}
	}
	b.exec(`UPDATE schedule SET csv = $1, query_file = NULL`, b.csv)
	b.run(at2(20), "done")
	require.Equal(t, wanted(1), b.api.Name(standin.AssetID(1), ""))
}

// Nor can it read through relabel's own database, or any other address that the
// environment holds for another purpose.
func TestSourceVariableIsAllowed(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	b.env["DATABASE_URL"] = b.url
	query, env := "SELECT 'x' AS asset_id, 'y' AS display_name", "DATABASE_URL"
	b.add(func(s *scheduledb.Schedule) { s.CSV, s.Query, s.SourceEnv = nil, &query, &env })
	require.Contains(t, *b.run(at2(1), "failed").Error, "set RELABEL_SOURCE_ENV")
}

// An SQLite file is one of the worker's files, whoever names it.
func TestSQLiteSourceOutsideItsFolder(t *testing.T) {
	t.Parallel()
	b := setup(t, 1)
	file := filepath.Join(filepath.Dir(b.csv), "names.db")
	names, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	_, err = names.Exec(`CREATE TABLE names (asset_id, display_name); INSERT INTO names VALUES (?, ?)`, standin.AssetID(0), "from SQLite")
	require.NoError(t, err)
	require.NoError(t, names.Close())
	secret := filepath.Join(t.TempDir(), "secret.db")
	require.NoError(t, os.Link(file, secret))

	query, url := "SELECT * FROM names", "sqlite:"+secret
	b.add(func(s *scheduledb.Schedule) { s.CSV, s.Query, s.SourceURL = nil, &query, &url })
	require.Contains(t, *b.run(at2(1), "failed").Error, "set RELABEL_SOURCE_DIRS")
	b.exec(`UPDATE schedule SET source_url = NULL, source_env = 'NAMES_SOURCE_URL'`)
	b.env["NAMES_SOURCE_URL"] = "sqlite:" + secret
	require.Contains(t, *b.run(at2(2), "failed").Error, "set RELABEL_SOURCE_DIRS")
	b.exec(`UPDATE schedule SET source_url = $1, source_env = NULL`, "sqlite:"+file)
	b.run(at2(3), "done")
	require.Equal(t, "from SQLite", b.api.Name(standin.AssetID(0), ""))
}
