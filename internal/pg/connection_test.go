package pg_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

// Every connection tells the server how long it waits for one that stands still
// or is gone; a setting of the URL goes first.
func TestConnectionSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "10s", value[string](t, b, `SHOW idle_in_transaction_session_timeout`))
	set := pg.Settings()
	require.Equal(t, "3 10 5", set["tcp_keepalives_count"]+" "+set["tcp_keepalives_idle"]+" "+set["tcp_keepalives_interval"])
	var names []string
	for name := range set {
		names = append(names, name)
	}
	unknown := dbtest.List[string](t, b, `SELECT n FROM unnest($1::text[]) n WHERE current_setting(n, true) IS NULL`, names)
	require.Subset(t, []string{"transaction_timeout"}, unknown, "PostgreSQL 16 does not have it")

	other := b.openWith(t, "idle_in_transaction_session_timeout=1234")
	require.Equal(t, "1234ms", dbtest.Value[string](t, other, `SHOW idle_in_transaction_session_timeout`))
}
