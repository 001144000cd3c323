//go:build unix

package chaos

import (
	"bytes"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echoThrough connects to a server that sends back what it gets, through a proxy.
func echoThrough(t *testing.T) (*proxy, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // nothing is lost with it
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	p := newProxy(t, l.Addr().String())
	return p, dialProxy(t, p)
}

func dialProxy(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", p.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(recovery)))
	_, err = echo(c, 1)
	require.NoError(t, err)
	return c
}

// echo sends n bytes, and returns how many of them came back.
func echo(c net.Conn, n int) (int, error) {
	sent := bytes.Repeat([]byte("x"), n)
	if _, err := c.Write(sent); err != nil {
		return 0, err
	}
	return io.ReadFull(c, sent)
}

// Each fault changes open connections as it says, and healing ends it.
func TestProxyFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault fault
		got   int // bytes back of 10,000
		err   error
	}{
		"delay":          {fault{delay: 20 * time.Millisecond}, 10_000, nil},
		"pieces":         {fault{delay: 50 * time.Microsecond, piece: 30}, 10_000, nil},
		"limit":          {fault{limit: 2000}, 2000, io.ErrUnexpectedEOF},
		"reset":          {fault{reset: true}, 0, syscall.ECONNRESET},
		"reset upstream": {fault{reset: true, upstream: true}, 0, syscall.ECONNRESET},
		"no connections": {fault{reset: true, share: -1}, 10_000, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, conn := echoThrough(t)
			c.fault.share++
			p.disturb(c.fault)
			n, err := echo(conn, 10_000)
			require.ErrorIs(t, err, c.err)
			require.Equal(t, c.got, n)
			p.heal()
			n, err = echo(dialProxy(t, p), 10_000)
			require.NoError(t, err)
			require.Equal(t, 10_000, n)
		})
	}
}

func TestProxySlowClose(t *testing.T) {
	t.Parallel()
	const late = 50 * time.Millisecond
	p, conn := echoThrough(t)
	p.disturb(fault{slowClose: late, share: 1})
	start := time.Now()
	p.cut()
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.GreaterOrEqual(t, time.Since(start), late)
}

// A silent connection takes what is sent, and neither answers nor closes.
func TestProxySilence(t *testing.T) {
	t.Parallel()
	p, conn := echoThrough(t)
	p.silence(false)
	p.cut()
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*poll)))
	_, err := echo(conn, 1)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	dialProxy(t, p)
}

// While the proxy is down, connections are refused; later they are accepted again.
func TestProxyDown(t *testing.T) {
	t.Parallel()
	p, conn := echoThrough(t)
	p.down()
	_, err := conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = net.Listen("tcp", p.addr)
	require.ErrorIs(t, err, syscall.EADDRINUSE, "the port stays the proxy's")
	_, err = net.Dial("tcp", p.addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	p.up()
	dialProxy(t, p)
}
