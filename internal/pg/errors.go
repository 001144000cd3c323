package pg

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Transient reports whether the same statement may succeed in a moment: the
// connection broke, the server restarts, or two transactions deadlocked.
func Transient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return transientCode(pgErr.Code)
	}
	// Not an answer of the server: the connection was lost or can't be made.
	var netErr net.Error
	var connectErr *pgconn.ConnectError
	return errors.As(err, &netErr) || errors.As(err, &connectErr) ||
		pgconn.SafeToRetry(err) || pgconn.Timeout(err) || lostConnection(err)
}

// readOnly is PostgreSQL's code for a write on a standby. After a fail-over a name may lead
// to the old primary for a while.
const readOnly = "25006"

// transientCode knows PostgreSQL's classes 08 (connection), 40 (rollback:
// deadlock, serialization), 53 (resources) and 57P (shutdown, crash), and the codes for
// a transaction that was idle for too long and for a server without writes.
func transientCode(code string) bool {
	for _, class := range []string{"08", "40", "53", "57P", stoodStill, readOnly} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

func lostConnection(err error) bool {
	text := err.Error()
	for _, part := range []string{"unexpected EOF", "conn closed", "connection reset", "broken pipe", "closed pool"} {
		if strings.Contains(text, part) {
			return part != "closed pool"
		}
	}
	return false
}

// LostConnection reports whether a transaction failed because the server ended it for
// being idle, or could not be reached any more. Someone who gave up has lost nothing.
func LostConnection(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == stoodStill || pgconn.SafeToRetry(err)
}
