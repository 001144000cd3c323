package dbtest

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// ordinaryRole gives a role the rights that docs/operations.md lists, and takes away what
// everybody has by default. Somebody else owns the database, the schema, and other tables.
const ordinaryRole = `
	REVOKE ALL ON DATABASE {database} FROM PUBLIC;
	REVOKE ALL ON SCHEMA public FROM PUBLIC;
	CREATE TABLE public.river_job (id int);
	CREATE TABLE public.batch (id int);
	CREATE ROLE {role} LOGIN PASSWORD 'ordinary' NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
	GRANT CONNECT ON DATABASE {database} TO {role};
	CREATE SCHEMA relabel;
	GRANT USAGE, CREATE ON SCHEMA relabel TO {role}`

// OrdinaryRole makes a role with only the rights that relabel needs in an empty database,
// and returns the database's address for it.
func OrdinaryRole(t testing.TB, databaseURL string) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	require.NoError(t, err)
	role := "relabel_test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	sql := strings.NewReplacer("{role}", role, "{database}", strings.TrimPrefix(u.Path, "/"))
	require.NoError(t, execAdmin(t.Context(), databaseURL, sql.Replace(ordinaryRole)))
	t.Cleanup(func() {
		require.NoError(t, execAdmin(context.Background(), databaseURL, sql.Replace(`DROP OWNED BY {role} CASCADE; DROP ROLE {role}`)))
	})
	u.User = url.UserPassword(role, "ordinary")
	return u.String()
}

// AlterRole sets settings of the role in an address, as a provider may.
func AlterRole(t testing.TB, adminURL, roleURL string, set map[string]string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(roleURL)
	require.NoError(t, err)
	for name, v := range set {
		require.NoError(t, execAdmin(t.Context(), adminURL, `ALTER ROLE `+cfg.User+` SET `+name+` = '`+v+`'`))
	}
}
