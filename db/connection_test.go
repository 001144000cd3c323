package db_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/pg"
)

// openWith opens the bundle's database with a setting in its URL.
func (b *testBundle) openWith(t *testing.T, setting string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), pg.Config{URL: b.url + "&" + setting})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	return d
}

// A load whose process stands still at its end loses the acceptance lock to others,
// and says so when it goes on.
func TestLoadThatStandsStill(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.params(rowsOf("a"))
	p.Queue = func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL idle_in_transaction_session_timeout = '100ms'`); err != nil {
			return err
		}
		pid := tx.Conn().PgConn().PID()
		require.Eventually(t, func() bool {
			return value[bool](t, b, `SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)`, pid)
		}, patience, 10*time.Millisecond, "the server ends it")
		return nil
	}
	_, err := b.Load(t.Context(), p)
	require.ErrorContains(t, err, "the load lost its connection, and was undone: load it again (PostgreSQL ends a load that stops for 10s")
	require.Zero(t, value[int](t, b, `SELECT count(*)::int FROM batch`))
	b.load(t, "a")
}

// Rows that come slowly are no standstill: PostgreSQL, in the midst of a COPY,
// waits for them as long as they take.
func TestLoadFromASlowSource(t *testing.T) {
	t.Parallel()
	b := setup(t)
	slow := &testBundle{DB: b.openWith(t, "idle_in_transaction_session_timeout=200"), site: b.site}
	rows := rowsOf("a", "b", "c")
	waits := func(yield func(*db.SourceRow, error) bool) {
		for row, err := range rows { // before each row, the first too, for five times the time-out
			require.Eventually(t, func() bool {
				return value[bool](t, b, `SELECT EXISTS (SELECT FROM pg_stat_activity
					WHERE datname = current_database() AND state = 'active' AND query ILIKE 'copy %'
						AND clock_timestamp() - state_change > $1::int * interval '1 s')`, row.Line-1)
			}, patience, 20*time.Millisecond, "the COPY waits")
			if !yield(row, err) {
				return
			}
		}
	}
	require.Len(t, slow.loadWith(t, slow.params(iter.Seq2[*db.SourceRow, error](waits))).ids, 3)
}
