//go:build unix

package chaos

import (
	"context"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// fault disturbs one direction of a share of the connections.
type fault struct {
	upstream  bool          // towards the server
	share     float64       // of the connections
	delay     time.Duration // at most, before each piece
	piece     int           // average bytes sent at a time; 0: as many as arrived
	limit     int           // bytes after which the connection is closed; 0: no limit
	reset     bool          // the next piece is lost, and the connection reset
	slowClose time.Duration // before the end of a connection is passed on
}

// pipe is one direction of a connection.
type pipe struct {
	from, to net.Conn
	upstream bool
	silent   atomic.Bool
	fault    atomic.Pointer[fault]
}

// disturb rolls the dice for this pipe.
func (x *pipe) disturb(f fault) {
	if f.upstream != x.upstream || rand.Float64() >= f.share {
		f = fault{}
	}
	x.fault.Store(&f)
}

// forward copies until either end closes. Closing the other end is enough: the pipe
// that reads from there closes this one.
func (x *pipe) forward(ctx context.Context) {
	buf := make([]byte, 32<<10)
	for {
		n, err := x.from.Read(buf)
		if x.send(ctx, buf[:n]) && err == nil {
			continue
		}
		if !x.silent.Load() {
			pause(ctx, x.fault.Load().slowClose)
			_ = x.to.Close()
		}
		return
	}
}

// send reports whether the connection stays open.
func (x *pipe) send(ctx context.Context, b []byte) (open bool) {
	for len(b) > 0 && !x.silent.Load() {
		f := x.fault.Load()
		n := f.size(len(b))
		if f.delay > 0 {
			pause(ctx, rand.N(f.delay))
		}
		if f.reset {
			x.reset()
			return false
		}
		if _, err := x.to.Write(b[:n]); err != nil {
			return false
		}
		b = b[n:]
		if f.limit > 0 {
			if f.limit -= n; f.limit == 0 {
				return false
			}
		}
	}
	return true
}

// size is how many of n bytes are sent at once.
func (f *fault) size(n int) int {
	if f.piece > 0 {
		n = min(n, max(1, f.piece/2+rand.IntN(f.piece)))
	}
	if f.limit > 0 {
		n = min(n, f.limit)
	}
	return n
}

// reset makes the closing of either end send RST and not FIN.
func (x *pipe) reset() {
	for _, c := range []net.Conn{x.from, x.to} {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
