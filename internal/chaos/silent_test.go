//go:build unix

package chaos

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hole is a proxy whose connections can go dead without a word, as they do when
// a firewall forgets them or a machine loses its power: what is sent is taken,
// and nothing comes back. toxiproxy closes such connections when its toxic goes,
// which would tell.
type hole struct {
	net.Listener

	mu     sync.Mutex
	silent bool // new connections are dead too
	conns  []*dyingConn
}

type dyingConn struct {
	net.Conn
	mu   sync.Mutex
	dead bool
}

func newHole(t *testing.T, addr string) *hole {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &hole{Listener: l}
	go h.serve(addr)
	t.Cleanup(func() {
		_ = l.Close()
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, c := range h.conns {
			_ = c.Close()
		}
	})
	return h
}

func (h *hole) serve(addr string) {
	for {
		client, err := h.Accept()
		if err != nil {
			return // the end of the test
		}
		server, err := net.Dial("tcp", addr)
		if err != nil {
			_ = client.Close()
			continue
		}
		h.join(client, server)
	}
}

func (h *hole) join(client, server net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	near, far := &dyingConn{Conn: client, dead: h.silent}, &dyingConn{Conn: server, dead: h.silent}
	h.conns = append(h.conns, near, far)
	go near.copyFrom(far)
	go far.copyFrom(near)
}

// copyFrom passes on what arrives. A dead one takes it, and not even its end is
// passed on.
func (c *dyingConn) copyFrom(from *dyingConn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		c.mu.Lock()
		dead := c.dead
		c.mu.Unlock()
		if !dead {
			if _, failed := c.Write(buf[:n]); failed != nil || err != nil {
				_ = c.Close()
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// dies silences all connections there are, and with alsoNew those to come.
func (h *hole) dies(alsoNew bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.silent = alsoNew
	for _, c := range h.conns {
		c.mu.Lock()
		c.dead = true
		c.mu.Unlock()
	}
}

// beatsWithin is how long a worker may take to beat on new connections: less than
// until the others take it for dead.
const beatsWithin = 28 * time.Second

// The connections of a worker die without a word, while its heartbeat, its feed
// and River's fetch wait for their answers on them. On new ones it beats before
// anybody takes it for dead, and goes on with its work.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	s := newStage(t, 15, time.Second)
	h := s.throughHole()
	s.enqueue(renames(outageRows, "value"))
	id := s.registered(s.worker("worker"))
	s.calls(20)
	tx, err := s.db.Pool().Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE process, batch, river_job`)
	require.NoError(t, err)
	s.eventually(recovery, "statements on each table wait", func() bool { return s.waitingOn() == 3 })
	h.dies(false)
	require.NoError(t, tx.Rollback(t.Context()))
	s.eventually(recovery, "the server has done what it was sent", func() bool { return s.waitingOn() == 0 })
	s.beatsAgain(id)
	s.endOutage(time.Now())
}

// waitingOn counts the tables that statements wait for.
func (s *stage) waitingOn() int {
	s.Helper()
	return ask[int](s, `
		SELECT count(DISTINCT relation) FROM pg_locks
		WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND relation IN ('process'::regclass, 'batch'::regclass, 'river_job'::regclass)`)
}

// The database says nothing for longer than a lease, to whoever connects: no call
// is made on a lease that is over. When new connections are answered again, the
// worker beats and works; the old ones stay dead.
func TestSilentDatabase(t *testing.T) {
	t.Parallel()
	const silence = lease + 10*time.Second
	s := newStage(t, 15, time.Second)
	h := s.throughHole()
	s.enqueue(renames(outageRows, "value"))
	id := s.registered(s.worker("worker"))
	s.calls(20)
	h.dies(true)
	silent := time.Now()
	s.eventually(silence+time.Second, "it was silent for that long", func() bool { return time.Since(silent) > silence })
	h.dies(false)
	s.beatsAgain(id)
	s.endOutage(time.Now())
	for _, c := range s.api.Log() {
		at := c.ArrivedAt.Sub(silent)
		require.False(t, at > lease && at < silence, "a call on a lease that is over: %+v", c)
	}
}

// throughHole puts a hole before the database of all processes.
func (s *stage) throughHole() *hole {
	s.Helper()
	h := newHole(s.T, hostOf(s.T, s.dbURL))
	s.dbURL = at(s.T, s.dbURL, h.Addr().String())
	return h
}

// apiThroughHole puts one before the API.
func (s *stage) apiThroughHole() *hole {
	s.Helper()
	h := newHole(s.T, hostOf(s.T, s.apiURL))
	s.apiURL = at(s.T, s.apiURL, h.Addr().String())
	return h
}

func (s *stage) beatsAgain(id string) {
	s.Helper()
	since, from := time.Now(), ask[time.Time](s, `SELECT clock_timestamp()`)
	s.eventually(beatsWithin, "the worker beats again", func() bool {
		return ask[bool](s, `SELECT EXISTS (SELECT FROM process WHERE id = $1 AND heartbeat_at > $2)`, id, from)
	})
	s.Logf("beats again after %.1f s", time.Since(since).Seconds())
}
