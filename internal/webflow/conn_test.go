package webflow

import (
	"crypto/tls"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConnectionIsTheNextCalls: net/http may report a connection as idle when the next
// call already uses it.
func TestConnectionIsTheNextCalls(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()   //nolint:errcheck // a pipe
	defer theirs.Close() //nolint:errcheck // a pipe
	c := &callConn{Conn: ours}
	first, next := &progress{}, &progress{}
	require.Nil(t, c.current())
	c.begin(first)
	c.begin(next)
	c.end(first)
	require.Same(t, next, c.current())
	c.end(next)
	require.Nil(t, c.current())
}

// TestConnectionBelowTLS: an https proxy means TLS inside TLS.
func TestConnectionBelowTLS(t *testing.T) {
	t.Parallel()
	ours, _ := net.Pipe()
	c := &callConn{Conn: ours}
	require.Same(t, c, callConnOf(c))
	require.Same(t, c, callConnOf(tls.Client(c, nil)))
	require.Same(t, c, callConnOf(tls.Client(tls.Client(c, nil), nil)))
	require.Nil(t, callConnOf(ours))
}
