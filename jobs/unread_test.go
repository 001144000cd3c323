package jobs_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/dbtest"
	"relabel/jobs"
)

// stoppedConn is the connection of a process that is stopped once it has read so
// many bytes: from then on it reads nothing.
type stoppedConn struct {
	net.Conn

	left  int
	stop  func()
	ended <-chan struct{}
}

func (c *stoppedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.stop()
		<-c.ended
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// stoppedFeed feeds over a connection that stops after so many bytes. It returns when
// it has stopped. On a busy machine the server may end a feed before that, for the time
// between two statements: then it is done again.
func (b *testBundle) stoppedFeed(t *testing.T, read int) {
	t.Helper()
	client, err := jobs.NewInsertClient(b.DB, b.logs.logger())
	require.NoError(t, err)
	stopped, ended, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	cfg := dbtest.Open(t, b.url+"&idle_in_transaction_session_timeout=1000").Pool().Config().ConnConfig.Copy()
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &stoppedConn{Conn: conn, left: read, stop: sync.OnceFunc(func() { close(stopped) }), ended: ended}, err
	}
	go func() {
		defer close(done)
		for !isClosed(stopped) && !isClosed(ended) {
			_ = b.feedOver(cfg, client)
		}
	}()
	t.Cleanup(func() {
		close(ended)
		<-done
	})
	select {
	case <-stopped:
	case <-time.After(patience):
		require.Fail(t, "the feed has ended before it stopped")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (b *testBundle) feedOver(cfg *pgx.ConnConfig, client *jobs.Client) error {
	ctx := context.Background()
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // it may be dead
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := jobs.Feed(ctx, tx, client, b.site, jobs.DefaultWindow)
		return err
	})
}

// TestFeedLeftUnread stops a process while the answers of its feed come in. The
// server must be done with each of them, or the process's lock keeps all others from
// feeding for as long as it stands still.
func TestFeedLeftUnread(t *testing.T) {
	t.Parallel()
	b := setup(t, settings{})
	b.loadWith(t, names("new", 0, jobs.DefaultWindow), func(p *db.LoadParams) {
		p.Queue = func(context.Context, pgx.Tx) error { return nil }
	})
	for _, read := range []int{10_000, 200_000, 400_000} {
		t.Run(fmt.Sprint(read), func(t *testing.T) {
			b.stoppedFeed(t, read)
			until(t, "another feed", func() bool {
				b.feedNow(t)
				return value[bool](t, b, `SELECT EXISTS (SELECT FROM river_job)`)
			})
			b.exec(t, `DELETE FROM river_job`)
		})
	}
}
