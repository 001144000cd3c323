package intake

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDialectWords(t *testing.T) {
	t.Parallel()
	mysql, sqlite, server := dialect{backslash: true}, dialect{brackets: true}, sqlServerDialect()
	for _, tt := range []struct {
		d     dialect
		query string
		want  []string
	}{
		{server, "select a,b from t", []string{"SELECT", "A", "B", "FROM", "T"}},
		{server, "select [into;] from t -- drop;\nwhere x = 'it''s; drop'", []string{"SELECT", "FROM", "T", "WHERE", "X"}},
		{server, "select [a]]drop] \"x\"\"drop\"", []string{"SELECT"}},
		{server, "select /* /* */ drop */ 1;select 2", []string{"SELECT", "1", ";", "SELECT", "2"}},
		{server, "select @set, #drop", []string{"SELECT", "@SET", "DROP"}}, // no comment
		{server, "select 'open drop", []string{"SELECT"}},
		{server, "select 1 /* open drop", []string{"SELECT", "1"}},
		{server, `select '\' drop '`, []string{"SELECT", "DROP"}},
		{sqlite, "select `a;b` /* /* */ drop */", []string{"SELECT", "DROP"}},
		{mysql, `select 'it\'s drop', [a] # drop` + "\n;", []string{"SELECT", "A", ";"}},
		{mysql, "select 1 /*!50000 drop */ /*M! into */ `\\`, x", []string{"SELECT", "1", "50000", "DROP", "M", "INTO", "X"}},
		{mysql, "sélect ünd", []string{"SÉLECT", "ÜND"}},
		{mysql, "", nil},
	} {
		require.Equal(t, tt.want, tt.d.words(tt.query), tt.query)
	}
}

// SQL Server takes several statements without a semicolon between them.
func TestSQLServerTakesOneSelect(t *testing.T) {
	t.Parallel()
	d := sqlServerDialect()
	for _, query := range []string{
		"SELECT asset_id, [update] FROM wanted ORDER BY 1", "WITH w AS (SELECT 1 AS a) SELECT a FROM w",
		"SELECT TOP 5 updated, 'DELETE' AS x FROM deleted_names OPTION (MAXDOP 1)", "SELECT a FROM t FOR JSON PATH",
	} {
		require.NoError(t, d.check(query), query)
	}
	for query, want := range map[string]string{
		"SELECT 1 DELETE FROM wanted":           "holds DELETE",
		"SELECT 1 EXEC sp_who":                  "holds EXEC",
		"SELECT a INTO b FROM wanted":           "holds INTO",
		"SELECT 1 COMMIT":                       "holds COMMIT",
		"SELECT 1; SELECT 2":                    "several statements",
		"sp_who":                                "does not begin with SELECT or WITH",
		"":                                      "does not begin with SELECT or WITH",
		"/* SELECT */ DROP TABLE wanted":        "does not begin with SELECT or WITH",
		"SELECT 1 /* /* */ */ DROP TABLE t":     "holds DROP",
		"WITH w AS (SELECT 1 AS a) DELETE w":    "holds DELETE",
		"SELECT 1 WAITFOR DELAY '01:00:00'":     "holds WAITFOR",
		"SELECT * FROM OPENQUERY(x, 'y') MERGE": "holds MERGE",
	} {
		require.ErrorContains(t, d.check(query), want, query)
	}
}

func FuzzDialect(f *testing.F) {
	f.Add("select 'a\\'' /* x */ ; [b]] -- \n#")
	f.Fuzz(func(t *testing.T, query string) {
		for _, d := range []dialect{sqlServerDialect(), {backslash: true}, {brackets: true}} {
			for _, word := range d.words(query) {
				require.NotEmpty(t, word)
			}
		}
	})
}
