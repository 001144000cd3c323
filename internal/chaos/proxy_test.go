//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// proxy sits between the processes and a server, and disturbs their connections.
type proxy struct {
	t       testing.TB
	addr    string // where it listens
	server  string // where it connects to
	running sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while it is down
	fault    fault        // for a share of the new connections
	silent   bool         // new connections are silent
	pipes    []*pipe      // of all connections so far
}

// newProxy listens on a free port, and forwards to server.
func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	p := &proxy{t: t, addr: reservePort(t), server: server}
	require.NoError(t, p.listen())
	t.Cleanup(func() {
		p.down()
		for _, x := range p.pipes {
			_ = x.from.Close()
		}
		p.running.Wait()
	})
	return p
}

// reservePort binds a free port until the test ends, without listening: connections are
// refused, and nobody else gets the port while the proxy is down.
func reservePort(t testing.TB) (addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	unix.CloseOnExec(fd)
	require.NoError(t, sharePort(fd))
	require.NoError(t, unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	bound, err := unix.Getsockname(fd)
	require.NoError(t, err)
	return fmt.Sprintf("127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port) //nolint:forcetypeassert // as it was bound
}

// sharePort lets another socket with the same option bind the port too.
func sharePort(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }

func (p *proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	cfg := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var shared error
		err := c.Control(func(fd uintptr) { shared = sharePort(int(fd)) })
		return errors.Join(err, shared)
	}}
	l, err := cfg.Listen(p.t.Context(), "tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener = l
	p.running.Go(func() { p.serve(l) })
	return nil
}

func (p *proxy) serve(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return // down
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.join(l, client, server)
	}
}

func (p *proxy) join(l net.Listener, client, server net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != l { // it went down meanwhile
		_, _ = client.Close(), server.Close()
		return
	}
	for _, x := range []*pipe{{from: client, to: server, upstream: true}, {from: server, to: client}} {
		x.silent.Store(p.silent)
		x.disturb(p.fault)
		p.pipes = append(p.pipes, x)
		p.running.Go(func() { x.forward(p.t.Context()) })
	}
}

// connections returns how many there were so far.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pipes) / 2
}

// cut breaks all connections. New ones are accepted as before.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.pipes {
		if x.upstream {
			_ = x.to.Close() // the other pipe closes the client's end, unless it is silent
		}
	}
}

// down breaks all connections, and refuses new ones.
func (p *proxy) down() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.cut()
}

// up listens on the same port again.
func (p *proxy) up() {
	p.t.Helper()
	require.NoError(p.t, p.listen())
}

// silence makes all connections silent for good, and with alsoNew those to come.
// That is what happens when a firewall forgets a connection or a machine loses its
// power: what is sent disappears, nothing comes back, and neither end is closed.
func (p *proxy) silence(alsoNew bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = alsoNew
	for _, x := range p.pipes {
		x.silent.Store(true)
	}
}

// disturb replaces the present fault of all connections, open and new.
func (p *proxy) disturb(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
	for _, x := range p.pipes {
		x.disturb(f)
	}
}

// heal ends the present fault. Silent connections stay silent.
func (p *proxy) heal() { p.disturb(fault{}) }
