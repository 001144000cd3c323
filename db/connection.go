package db

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// standstill is how long a transaction of ours may do nothing between two of its
	// statements: a process that was stopped, or is gone, then loses its locks to the
	// others. A worker's and a load's next statement comes within milliseconds, and
	// rows that come slowly (COPY) are no standstill to PostgreSQL.
	standstill = 10 * time.Second

	// stoodStill is PostgreSQL's code for a transaction that it ended for that.
	stoodStill = "25P03"

	// A connection on which nothing moves is asked for after keepAliveIdle, and is dead
	// after keepAliveCount such questions: 25 s, where Linux takes two hours.
	keepAliveIdle     = 10 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3

	// unheardTime is how long what we have sent may go without a sign that it arrived,
	// where Linux takes a quarter of an hour. A server may be too busy to read for that
	// long, but not for longer.
	unheardTime = time.Minute

	// pingTime is what a connection that was idle may take to answer before it is
	// used: one that died without a word is thrown away then.
	pingTime = 3 * time.Second

	// fetchTime bounds River's fetch of jobs, which takes milliseconds.
	fetchTime = 10 * time.Second
)

// serverSettings let the server notice what became of us. They are start-up
// parameters and no SETs, so that they hold from the first byte on, and RESET ALL
// brings them back. On a Unix socket those of TCP change nothing.
func serverSettings() map[string]string {
	return map[string]string{
		"idle_in_transaction_session_timeout": milliseconds(standstill),
		"tcp_keepalives_idle":                 milliseconds(keepAliveIdle) + "ms",
		"tcp_keepalives_interval":             milliseconds(keepAliveInterval) + "ms",
		"tcp_keepalives_count":                strconv.Itoa(keepAliveCount),
	}
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// NoticeDead lets this side notice that a connection to PostgreSQL is dead, where
// nobody says so: the server's machine lost its power, a firewall forgot it.
func NoticeDead(cfg *pgconn.Config) {
	dialer := &net.Dialer{
		Timeout: cfg.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		},
		Control: limitUnheard,
	}
	cfg.DialFunc = dialer.DialContext
}

// fetchDeadline gives River's fetch of jobs a time-out. All other statements of a
// worker have one; without it a fetch on a dead connection waits for ever, and its
// queue with it.
type fetchDeadline struct{}

type endOfFetch struct{}

func (fetchDeadline) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	if !strings.HasPrefix(q.SQL, "-- name: JobGetAvailable ") {
		return ctx
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	return context.WithValue(ctx, endOfFetch{}, cancel)
}

func (fetchDeadline) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if cancel, ok := ctx.Value(endOfFetch{}).(context.CancelFunc); ok {
		cancel()
	}
}
