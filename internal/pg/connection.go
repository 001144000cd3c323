package pg

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// Standstill is how long a transaction of ours may be idle between two statements.
	// Then a process that was stopped, or is gone, loses its locks. Normally the next
	// statement comes within milliseconds. A slow COPY does not count as idle.
	Standstill = 10 * time.Second

	// stoodStill is PostgreSQL's code for a transaction that it ended for being idle.
	stoodStill = "25P03"

	// A silent connection is probed after keepAliveIdle, and given up after
	// keepAliveCount probes: after 25 s, where Linux takes two hours.
	keepAliveIdle     = 10 * time.Second
	keepAliveInterval = 5 * time.Second
	keepAliveCount    = 3

	// unheardTime is how long what we sent may stay unacknowledged, where Linux allows
	// 15 minutes. Even a very busy server reads within a minute.
	unheardTime = time.Minute

	// pingTime bounds the check of an idle connection before it is used. One that died
	// silently is thrown away.
	pingTime = 3 * time.Second

	// pingAfter is how long a connection must have been idle to be checked. An idle
	// worker uses one every second or so: checked each time, it would send twice as many
	// statements. What repeats in a worker is tried again when its connection is dead.
	pingAfter = 5 * time.Second

	// fetchTime bounds River's fetch of jobs, which takes milliseconds.
	fetchTime = 10 * time.Second
)

// NoticeDead makes this process notice a dead connection to PostgreSQL that nobody
// closed: the server's machine lost power, or a firewall dropped the connection.
func NoticeDead(cfg *pgconn.Config) { cfg.DialFunc = Dialer(cfg.ConnectTimeout).DialContext }

// Dialer makes connections as NoticeDead needs them.
func Dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{
		Timeout: timeout,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: keepAliveIdle, Interval: keepAliveInterval, Count: keepAliveCount,
		},
		Control: limitUnheard,
	}
}

// fetchDeadline gives River's fetch of jobs a time-out. Without it a fetch on a dead
// connection would block its queue for ever. All other statements of a worker have one.
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
