package db_test

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/internal/pg"
)

// cutter stands before the database. Armed, it cuts the connection on which the next COMMIT comes: before or after the
// server has had it, but never with its answer.
type cutter struct {
	net.Listener

	server  [2]string // network and address
	armed   atomic.Bool
	deliver bool
}

// cutAt starts one before the bundle's database, and gives the address of the database behind it.
func cutAt(t *testing.T, b *testBundle, deliver bool) (*cutter, string) {
	t.Helper()
	u, err := url.Parse(b.url)
	require.NoError(t, err)
	c := &cutter{server: [2]string{"tcp", u.Host}, deliver: deliver}
	if socket := u.Query().Get("host"); socket != "" {
		c.server = [2]string{"unix", socket + "/.s.PGSQL." + value[string](t, b, `SELECT current_setting('port')`)}
	}
	c.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	go c.serve()
	q := u.Query()
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = c.Addr().String(), q.Encode()
	return c, u.String()
}

func (c *cutter) serve() {
	for {
		client, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(c.server[0], c.server[1])
		if err != nil {
			_ = client.Close()
			return
		}
		go c.up(client, server)
		go func() {
			_, _ = io.Copy(client, server)
			_ = client.Close()
		}()
	}
}

func (c *cutter) up(client, server net.Conn) {
	defer server.Close() //nolint:errcheck // it ends the connection, however that goes
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		if bytes.Contains(buf[:n], []byte("commit\x00")) && c.armed.CompareAndSwap(true, false) {
			_ = client.Close()
			if !c.deliver {
				return
			}
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
	}
}

// A connection that breaks at COMMIT says nothing of what became of it: the database does.
func TestLoadAsksWhatBecameOfItsCommit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		deliver bool
		want    int
	}{
		"the answer is lost": {true, 1},
		"the COMMIT is lost": {false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c, behind := cutAt(t, b, tt.deliver)
			d := dbtest.Open(t, behind)
			c.armed.Store(true)
			id, err := d.Load(t.Context(), b.params(rowsOf("a")))
			require.False(t, c.armed.Load(), "the COMMIT has come by")
			require.Equal(t, tt.want, value[int](t, b, `SELECT count(*)::int FROM batch`))
			if tt.want == 0 {
				require.Error(t, err)
				require.NotErrorIs(t, err, pg.ErrCommitUnknown)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "pending", b.statuses(t, id))
		})
	}
}

// While the database can't be asked, nothing is known.
func TestCommitUnknown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, behind := cutAt(t, b, true)
	d, err := db.Open(t.Context(), pg.Config{URL: behind, CommitWait: 1})
	require.NoError(t, err)
	t.Cleanup(d.Close)
	c.armed.Store(true)
	id, err := d.Load(t.Context(), b.params(rowsOf("a")))
	require.ErrorIs(t, err, pg.ErrCommitUnknown)
	require.NotZero(t, id)
}
