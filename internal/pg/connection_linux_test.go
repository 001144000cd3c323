package pg_test

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"relabel/internal/pg"
)

// This side asks for a connection too on which nothing moves, and does not wait a
// quarter of an hour for what it sent to arrive.
func TestNoticeDead(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // nobody listens any more
	var cfg pgconn.Config
	pg.NoticeDead(&cfg)
	conn, err := cfg.DialFunc(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing was sent
	raw, err := conn.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	option := func(name int) (v int) {
		require.NoError(t, raw.Control(func(fd uintptr) { v, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, name) }))
		require.NoError(t, err)
		return v
	}
	require.Equal(t, []int{10, 5, 3, 60_000}, []int{
		option(unix.TCP_KEEPIDLE), option(unix.TCP_KEEPINTVL), option(unix.TCP_KEEPCNT), option(unix.TCP_USER_TIMEOUT),
	})
}
