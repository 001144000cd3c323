package webflow

import (
	"context"
	"net"
	"sync"

	"relabel/internal/failpoint"
)

// callConn is a TCP connection that knows the call it is used for: one at a time, as
// HTTP/1.1 has it. It lies below TLS, so all that leaves goes through its Write.
//
// It embeds the interface and not *net.TCPConn, whose ReadFrom would go past Write.
type callConn struct {
	net.Conn

	mu   sync.Mutex
	call *progress // nil: being set up, or idle
}

// dialCalls makes dial's connections know their calls.
func dialCalls(dial func(context.Context, string, string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &callConn{Conn: conn}, nil
	}
}

// callConnOf finds it below what net/http hands out; nil on a test's own transport.
func callConnOf(conn net.Conn) *callConn {
	for {
		switch c := conn.(type) {
		case *callConn:
			return c
		case interface{ NetConn() net.Conn }: // TLS, twice with an https proxy
			conn = c.NetConn()
		default:
			return nil
		}
	}
}

// begin gives the connection to a call.
//
// However the connection is closed from now on (at the deadline, by a stop, by the
// kernel when the process is killed), it is reset, and the kernel drops what was not
// acknowledged. As usual it would go on sending that for up to a minute and a half, and
// an old name would arrive after a newer one.
func (c *callConn) begin(p *progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.call = p
	c.linger(0)
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		giveUpAfter(tcp, p.timeLeft())
	}
}

// end takes it back when the whole answer was read: nothing is left to be dropped, and
// an idle connection is closed in the polite way. The next call may have begun already.
func (c *callConn) end(p *progress) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.call == p {
		c.call = nil
		c.linger(-1)
	}
}

// linger fails on a broken connection only, which has nothing to send.
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

// Write looks once more whether the call may still be made. Nothing but the system
// call is between that look and the bytes: a process may be stopped for minutes while a
// connection is looked for, or with the request in net/http's buffer.
func (c *callConn) Write(b []byte) (int, error) {
	call := c.current()
	if call == nil {
		return c.Conn.Write(b)
	}
	if err := call.over(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if n > 0 {
		call.left.Store(true)
		failpoint.Hit("sent")
	}
	return n, err
}
