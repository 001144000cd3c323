package intake_test

import (
	"context"
	"fmt"
	neturl "net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/intake"
)

// sourceDB is a user's database with a table of 2,500 wanted names.
func sourceDB(t *testing.T) string {
	t.Helper()
	url := dbtest.EmptyURL(t)
	execSource(t, url, `
		CREATE TABLE wanted (asset_id text, "New name" text, alt_text text);
		INSERT INTO wanted SELECT lpad(to_hex(i), 24, '0'), 'name ' || i, NULL FROM generate_series(1, 2500) i`)
	return url
}

func execSource(t *testing.T, url, sql string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // cleanups run it too
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx) //nolint:errcheck // a test's
	_, err = conn.Exec(ctx, sql)
	require.NoError(t, err)
}

func countWanted(t *testing.T, url string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background()) //nolint:errcheck // a test's
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM wanted`).Scan(&n))
	return n
}

func readSQL(t *testing.T, s *intake.SQL) (rows []intake.Row, err error) {
	t.Helper()
	for chunk, err := range s.Chunks(t.Context()) {
		if err != nil {
			return rows, err
		}
		rows = append(rows, chunk...)
	}
	return rows, nil
}

func TestSQLReadsAnySelect(t *testing.T) {
	t.Parallel()
	url := sourceDB(t)
	for name, query := range map[string]string{
		"plain":              `SELECT asset_id, "New name" AS display_name FROM wanted ORDER BY asset_id`,
		"semicolon":          `SELECT asset_id, "New name" AS display_name FROM wanted ORDER BY asset_id; `,
		"closing comment":    `SELECT asset_id, "New name" AS display_name FROM wanted ORDER BY asset_id -- all of them`,
		"with":               `WITH w AS (SELECT * FROM wanted) SELECT asset_id, "New name" AS "displayName" FROM w ORDER BY 1`,
		"other types, other": `SELECT asset_id::char(24), "New name"::varchar AS display_name, now() AS ignored FROM wanted ORDER BY 1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: url, Query: query})
			require.NoError(t, err)
			defer s.Close() //nolint:errcheck // a test's
			rows, err := readSQL(t, s)
			require.NoError(t, err)
			require.Len(t, rows, 2500)
			require.Equal(t, int64(2500), rows[2499].Line)
			require.Equal(t, fmt.Sprintf("%024x", 1), rows[0].AssetID)
			require.Equal(t, "name 1", *rows[0].DisplayName)
			require.Empty(t, rows[0].Problems)
			require.Contains(t, s.Warning(), "may write")
		})
	}
}

func TestSQLMapsAndRefusesRows(t *testing.T) {
	t.Parallel()
	s, err := intake.OpenSQL(t.Context(), intake.SQLParams{
		URL:   sourceDB(t),
		Query: `SELECT CASE WHEN asset_id LIKE '%1' THEN 'nonsense' ELSE asset_id END AS id, "New name", alt_text FROM wanted ORDER BY asset_id`,
		Map:   map[string]string{"asset_id": "id", "display_name": "New name"},
	})
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test's
	rows, err := readSQL(t, s)
	require.NoError(t, err)
	require.True(t, rows[0].Refused())
	require.Contains(t, rows[0].Problems[0].Message, "24 hexadecimal digits")
	require.Nil(t, rows[1].AltText, "NULL leaves the field alone")
}

// TestSQLChangesNothing: whatever the text, it ends in one clear line and the
// source is as it was.
func TestSQLChangesNothing(t *testing.T) {
	t.Parallel()
	url := sourceDB(t)
	execSource(t, url, `CREATE FUNCTION sneaky() RETURNS text LANGUAGE sql AS 'DELETE FROM wanted; SELECT ''x'''`)
	for name, tt := range map[string]struct{ query, want string }{
		"second statement":   {`SELECT asset_id FROM wanted; DROP TABLE wanted`, "give one SELECT and nothing else"},
		"commit and drop":    {`SELECT 1; COMMIT; DROP TABLE wanted`, "give one SELECT and nothing else"},
		"delete":             {`DELETE FROM wanted RETURNING asset_id, "New name" AS display_name`, "give one SELECT"},
		"delete in with":     {`WITH x AS (DELETE FROM wanted RETURNING *) SELECT * FROM x`, "only reads"},
		"select into":        {`SELECT asset_id INTO other FROM wanted`, "refused"},
		"writing function":   {`SELECT sneaky() AS asset_id, 'x' AS display_name`, "only reads"},
		"for update":         {`SELECT asset_id, "New name" AS display_name FROM wanted FOR UPDATE`, "only reads"},
		"endless":            {`SELECT pg_sleep(60)::text AS asset_id, 'x' AS display_name`, "took longer than 300ms"},
		"lifts the limit":    {`SELECT asset_id, CASE WHEN row_number() OVER () <= 1000 THEN set_config('statement_timeout', '0', true) ELSE pg_sleep(30)::text END AS display_name FROM wanted`, "took longer than 300ms"},
		"no such table":      {`SELECT * FROM nothing_here`, "does not exist"},
		"missing column":     {`SELECT "New name" AS display_name FROM wanted`, "the query's columns: no column says which asset is meant (asset_id, or instead "},
		"columns twice":      {`SELECT asset_id, asset_id, 'x' AS display_name FROM wanted`, "same name"},
		"no rows":            {`SELECT asset_id, 'x' AS display_name FROM wanted WHERE false`, "yields no rows"},
		"empty":              {` ; `, "the query is empty"},
		"division on row 1":  {`SELECT asset_id, (1/0)::text AS display_name FROM wanted`, "division by zero"},
		"division on row 2k": {`SELECT asset_id, (1/(2000 - row_number() OVER ()))::text AS display_name FROM wanted`, "division by zero"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: url, Query: tt.query, FetchTimeout: 300 * time.Millisecond})
			if err == nil {
				defer s.Close() //nolint:errcheck // a test's
				_, err = readSQL(t, s)
			}
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "\n")
			require.Equal(t, 2500, countWanted(t, url))
		})
	}
}

// TestSQLLostConnection: the rows before are followed by an error, so nothing
// of them is kept.
func TestSQLLostConnection(t *testing.T) {
	t.Parallel()
	url := sourceDB(t)
	s, err := intake.OpenSQL(t.Context(), intake.SQLParams{
		URL: url, Query: `SELECT asset_id, "New name" AS display_name FROM wanted`,
	})
	require.NoError(t, err)
	defer s.Close() //nolint:errcheck // a test's
	var got int
	var last error
	for chunk, err := range s.Chunks(t.Context()) {
		got += len(chunk)
		last = err
		if got == 1000 {
			execSource(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE application_name = 'relabel source' AND datname = current_database()`)
		}
	}
	require.Error(t, last)
	require.Equal(t, 1000, got)
}

func TestSQLSourceErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ url, want string }{
		"rubbish":     {"postgres://user:s3cret@host:port/x", "can't be read"},
		"unreachable": {"postgres://user:s3cret@127.0.0.1:1/x", "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: tt.url, Query: "SELECT 1"})
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}

// TestSQLReadOnlyRole needs no warning.
func TestSQLReadOnlyRole(t *testing.T) {
	t.Parallel()
	admin := sourceDB(t)
	role := fmt.Sprintf("reader_%d", time.Now().UnixNano())
	execSource(t, admin, fmt.Sprintf(`CREATE ROLE %s; GRANT SELECT ON wanted TO %s`, role, role))
	t.Cleanup(func() { execSource(t, admin, fmt.Sprintf(`DROP OWNED BY %s; DROP ROLE %s`, role, role)) })
	u, err := neturl.Parse(admin)
	require.NoError(t, err)
	u.RawQuery += "&role=" + role // a setting of the session
	url := u.String()
	s, err := intake.OpenSQL(t.Context(), intake.SQLParams{URL: url, Query: `SELECT asset_id, "New name" AS display_name FROM wanted`})
	require.NoError(t, err)
	require.Empty(t, s.Warning())
	require.NoError(t, s.Close())
	_, err = intake.OpenSQL(t.Context(), intake.SQLParams{URL: url, Query: `SELECT rolpassword AS asset_id, 'x' AS display_name FROM pg_authid`})
	require.ErrorContains(t, err, "grant the role SELECT")
}
