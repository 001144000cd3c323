//go:build unix

package chaos

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
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
	p := &proxy{t: t, addr: "127.0.0.1:0", server: server}
	require.NoError(t, p.listen())
	p.addr = p.listener.Addr().String()
	t.Cleanup(func() {
		p.down()
		for _, x := range p.pipes {
			_ = x.from.Close()
		}
		p.running.Wait()
	})
	return p
}

func (p *proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := net.Listen("tcp", p.addr)
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

// up listens on the same port again. If another process's connection got this port
// meanwhile, it waits until that connection ends.
func (p *proxy) up() {
	p.t.Helper()
	var err error
	require.Eventually(p.t, func() bool {
		err = p.listen()
		return !errors.Is(err, syscall.EADDRINUSE)
	}, recovery, poll, "the proxy's port is taken")
	require.NoError(p.t, err)
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
