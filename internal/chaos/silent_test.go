//go:build unix

package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// beatsWithin is how long a worker may take to send a heartbeat over a new connection.
// Later, the others would take it for dead.
const beatsWithin = 28 * time.Second

// All connections of a worker become silent while its heartbeat, its feed and River's
// fetch wait for answers. It sends its heartbeat over a new connection before the others
// take it for dead, and continues its work.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	s := newStage(t, 15, time.Second)
	p := s.proxyDatabase()
	s.enqueue(renames(outageRows, "value"))
	id := s.waitRegistered(s.worker("worker"))
	s.waitCalls(20)
	unlock := s.lockTables()
	s.eventually(recovery, "statements on each table wait", func() bool { return s.waitingOn() == 3 })
	p.silence(false)
	unlock()
	s.eventually(recovery, "the server has done what it was sent", func() bool { return s.waitingOn() == 0 })
	s.beatsAgain(id)
	s.endOutage(time.Now())
}

// lockTables locks what the worker's repeated statements use. One of them may hold a table
// already and want another, so that PostgreSQL ends our transaction as a deadlock.
func (s *stage) lockTables() (unlock func()) {
	s.Helper()
	var tx pgx.Tx
	s.eventually(recovery, "the tables are locked", func() bool {
		var err error
		tx, err = s.db.Pool().Begin(s.Context())
		require.NoError(s, err)
		if _, err = tx.Exec(s.Context(), `LOCK TABLE process, batch, river_job`); err == nil {
			return true
		}
		require.NoError(s, tx.Rollback(s.Context()))
		require.ErrorContains(s, err, "deadlock")
		return false
	})
	s.Cleanup(func() { _ = tx.Rollback(context.Background()) }) // a failed test must not wait for it for ever
	return func() { s.Helper(); require.NoError(s, tx.Rollback(s.Context())) }
}

// waitingOn counts the tables for which statements wait.
func (s *stage) waitingOn() int {
	s.Helper()
	return ask[int](s, `
		SELECT count(DISTINCT relation) FROM pg_locks
		WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND relation IN ('process'::regclass, 'batch'::regclass, 'river_job'::regclass)`)
}

// The database is silent for longer than a lease, on new connections too. No call is made
// after its lease has ended. When new connections work again, the worker continues, while
// the old connections stay silent.
func TestSilentDatabase(t *testing.T) {
	t.Parallel()
	const silence = lease + 10*time.Second
	s := newStage(t, 15, time.Second)
	p := s.proxyDatabase()
	s.enqueue(renames(outageRows, "value"))
	id := s.waitRegistered(s.worker("worker"))
	s.waitCalls(20)
	p.silence(true)
	silent := time.Now()
	s.eventually(silence+time.Second, "it was silent for that long", func() bool { return time.Since(silent) > silence })
	p.silence(false)
	s.beatsAgain(id)
	s.endOutage(time.Now())
	for _, c := range s.api.Log() {
		at := c.ArrivedAt.Sub(silent)
		require.False(t, at > lease && at < silence, "a call on a lease that is over: %+v", c)
	}
}

func (s *stage) beatsAgain(id string) {
	s.Helper()
	since, from := time.Now(), ask[time.Time](s, `SELECT clock_timestamp()`)
	s.eventually(beatsWithin, "the worker beats again", func() bool {
		return ask[bool](s, `SELECT EXISTS (SELECT FROM process WHERE id = $1 AND heartbeat_at > $2)`, id, from)
	})
	s.Logf("beats again after %.1f s", time.Since(since).Seconds())
}
