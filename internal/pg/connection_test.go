package pg_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every connection tells the server how long it waits for one that stands still
// or is gone; a setting of the URL goes first.
func TestConnectionSettings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, "10s", value[string](t, b, `SHOW idle_in_transaction_session_timeout`))
	tcp := `SELECT string_agg(reset_val, ' ' ORDER BY name) FROM pg_settings WHERE name LIKE 'tcp_keepalives%'`
	require.Equal(t, "3 10 5", value[string](t, b, tcp))
	other := b.openWith(t, "idle_in_transaction_session_timeout=1234")
	var own string
	require.NoError(t, other.Pool().QueryRow(t.Context(), `SHOW idle_in_transaction_session_timeout`).Scan(&own))
	require.Equal(t, "1234ms", own)
}
