package webflow

import (
	"context"
	"net"
	"sync"

	"relabel/internal/failpoint"
)

// callConn is a TCP connection that knows the call which uses it. With HTTP/1.1 that is
// one call at a time. It is below TLS, so every byte that leaves goes through Write.
//
// It embeds the interface and not *net.TCPConn, whose ReadFrom would bypass Write.
type callConn struct {
	net.Conn

	mu   sync.Mutex
	call *progress // nil: being set up, or idle
}

// dialCalls wraps the connections of dial in callConns.
func dialCalls(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &callConn{Conn: conn}, nil
	}
}

// callConnOf finds the callConn below a connection of net/http. It returns nil for a
// test's own transport.
func callConnOf(conn net.Conn) *callConn {
	for {
		switch c := conn.(type) {
		case *callConn:
			return c
		case interface{ NetConn() net.Conn }: // TLS; twice with an https proxy
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// begin assigns the connection to a call.
//
// From now on, closing the connection resets it, and the kernel drops all bytes that
// were not acknowledged. That holds for a close at the deadline, at a stop, and by the
// kernel when the process is killed. Otherwise the kernel would go on sending for up to
// 90 s, and an old name could arrive after a newer one.
func (c *callConn) begin(p *progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.call = p
	c.linger(0)
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		giveUpAfter(tcp, p.timeLeft())
	}
}

// end takes the connection back after the whole answer was read. Nothing is left to
// drop, so a later close is a normal one. The next call may have begun already.
func (c *callConn) end(p *progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call == p {
		c.call = nil
		c.linger(-1)
	}
}

// linger ignores errors: only a broken connection fails, and it sends nothing.
func (c *callConn) linger(seconds int) {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(seconds)
	}
}

func (c *callConn) current() *progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.call
}

// Write checks once more that the call may still be made. The process may have been
// stopped for minutes while net/http waited for a connection or had the request in its
// buffer. Only the system call comes between this check and the bytes.
func (c *callConn) Write(b []byte) (int, error) {
	call := c.current()
	if call == nil {
		return c.Conn.Write(b)
	}
	if err := call.stopIfEnded(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if n > 0 {
		call.sent.Store(true)
		failpoint.Hit("sent")
	}
	return n, err
}
