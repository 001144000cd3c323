package pg

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolerError reports that DATABASE_URL leads through a pooler that relabel can't use. The
// text says what to do.
type PoolerError struct{ text string }

func (e *PoolerError) Error() string { return e.text }

// sharedError is of a pooler that gives each transaction any of its connections. relabel's
// settings, locks and LISTEN belong to a session, so they would only sometimes work.
func sharedError(cc *pgx.ConnConfig) error {
	return &PoolerError{fmt.Sprintf("DATABASE_URL leads through a connection pooler in transaction mode (%s), and relabel needs sessions of its own: use %s",
		address(cc), instead(cc.Host, cc.Port))}
}

// tooFewError is of a pooler that has one connection for us and no second one.
func tooFewError(cc *pgx.ConnConfig, err error) error {
	return &PoolerError{fmt.Sprintf("the connection pooler at %s gave relabel no second connection (%s), and a process needs up to %d: raise its pool size",
		address(cc), rootCause(err), defaultMaxConns)}
}

// instead is the address of the same database without a pooler in transaction mode, as
// far as the names of known providers say.
func instead(host string, port uint16) string {
	first, rest, _ := strings.Cut(host, ".")
	if direct, ok := strings.CutSuffix(first, "-pooler"); ok { // Neon
		return "the host " + direct + "." + rest + ", without -pooler"
	}
	if port == 6543 && strings.Contains(rest, "supabase.") {
		return "port 5432 instead of 6543"
	}
	return "the server's own address, or the pooler's session mode (PgBouncer: pool_mode = session)"
}

// backend is a process of a server. Two servers may have processes of the same number.
type backend struct {
	pid     uint32
	started string // when its server was
}

func askBackend(ctx context.Context, conn *pgx.Conn) (b backend, err error) {
	// The mode prepares no statement, which a pooler would lose.
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time())::text`,
		pgx.QueryExecModeExec).Scan(&b.pid, &b.started)
	if err != nil {
		return b, fmt.Errorf("error asking for the server's process: %w", err)
	}
	return b, nil
}

// firstUse makes the first connection, and reports whether it goes through a pooler. A
// pooler in transaction mode is an error.
func firstUse(ctx context.Context, pool *pgxpool.Pool) (pooled bool, err error) {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	own, err := askBackend(ctx, conn.Conn())
	if err != nil {
		return false, err
	}
	// Poolers give each client a number of their own, for cancelling.
	if own.pid == conn.Conn().PgConn().PID() {
		return false, nil
	}
	return true, checkSession(ctx, conn.Conn(), own)
}

// poolerTries is how often checkSession looks: other clients of the pooler may hide what
// it looks for.
const poolerTries = 5

// checkSession fails if a second connection gets the process of the first, or if the
// first one loses it.
func checkSession(ctx context.Context, conn *pgx.Conn, own backend) error {
	ctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	second, err := pgx.ConnectConfig(ctx, conn.Config())
	if err != nil {
		return tooFewError(conn.Config(), err)
	}
	defer second.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it holds nothing
	for range poolerTries {
		other, err := askBackend(ctx, second)
		if err != nil {
			return err
		}
		again, err := askBackend(ctx, conn)
		if err != nil {
			return err
		}
		if other == own || again != own {
			return sharedError(conn.Config())
		}
	}
	return nil
}
