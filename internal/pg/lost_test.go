package pg_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/internal/pg"
)

// A transaction that PostgreSQL ended for being idle is done again. It waits here as on a
// network that loses packets.
func TestRetryLost(t *testing.T) {
	t.Parallel()
	db := setup(t)
	tries := 0
	err := pg.RetryLost(func() error {
		return pgx.BeginFunc(t.Context(), db.Pool(), func(tx pgx.Tx) error {
			if tries++; tries > 1 {
				return nil
			}
			_, err := tx.Exec(t.Context(), `SET LOCAL idle_in_transaction_session_timeout = '1ms'`)
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				_, err = tx.Exec(t.Context(), `SELECT 1`)
				return err != nil
			}, patience, 10*time.Millisecond)
			return err
		})
	})
	require.NoError(t, err)
	require.Equal(t, 2, tries)
}
