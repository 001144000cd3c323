package chaos

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// wire carries frames between the hosts of a lan, as a switch does. It can delay and lose them.
// The kernel's own netem does the same, but is not in every kernel.
type wire struct {
	running sync.WaitGroup

	mu    sync.Mutex
	ports []*port
	known map[[6]byte]*port // where an address of a card was seen
	cuts  map[[2]*port]bool // between which frames disappear, in this direction
	delay time.Duration     // of each frame, in each direction
	loss  float64
}

// port is the wire's end of a host's veth.
type port struct {
	file  *os.File
	queue chan frame
	gone  bool // its queue is closed
}

type frame struct {
	due  time.Time
	data []byte
}

const (
	mtu = 2048 // longer than any frame of an Ethernet

	// waitingFrames are more than hosts send within a delay.
	waitingFrames = 4096
)

func newWire(t *testing.T) *wire {
	t.Helper()
	w := &wire{known: map[[6]byte]*port{}, cuts: map[[2]*port]bool{}}
	t.Cleanup(func() {
		for _, p := range w.ports {
			_ = p.file.Close()
		}
		w.running.Wait()
	})
	return w
}

// attach takes the frames of a device of the present namespace.
func (w *wire) attach(device string) (*port, error) {
	card, err := net.InterfaceByName(device)
	if err != nil {
		return nil, fmt.Errorf("error finding %s: %w", device, err)
	}
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in the network's order of bytes
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all)
	if err != nil {
		return nil, fmt.Errorf("error opening a packet socket: %w", err)
	}
	p := &port{file: os.NewFile(uintptr(fd), device), queue: make(chan frame, waitingFrames)}
	w.ports = append(w.ports, p)
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return nil, fmt.Errorf("error setting up a packet socket: %w", err)
	}
	return p, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: card.Index})
}

// start begins when all ports are attached.
func (w *wire) start() {
	for _, p := range w.ports {
		w.running.Go(func() { w.read(p) })
		w.running.Go(p.write)
	}
}

func (w *wire) read(p *port) {
	buf := make([]byte, mtu)
	for {
		n, err := p.file.Read(buf)
		if err != nil {
			w.detach(p)
			return
		}
		if n >= 14 { // a whole header
			w.forward(p, append([]byte(nil), buf[:n]...))
		}
	}
}

// detach ends a port whose socket is closed.
func (w *wire) detach(p *port) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.gone = true
	close(p.queue)
}

// forward sends a frame to the host of its address, or to all.
func (w *wire) forward(from *port, data []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.known[[6]byte(data[6:12])] = from
	only := w.known[[6]byte(data[:6])]
	for _, to := range w.ports {
		if to == from || only != nil && to != only || to.gone || w.cuts[[2]*port{from, to}] || rand.Float64() < w.loss {
			continue
		}
		select {
		case to.queue <- frame{time.Now().Add(w.delay), data}:
		default: // a full queue loses frames, as a switch does
		}
	}
}

func (p *port) write() {
	for f := range p.queue {
		<-time.After(time.Until(f.due))
		_, _ = p.file.Write(f.data) // a host that is unplugged loses frames
	}
}

// cut drops all frames between two hosts, in both directions. Neither end of a connection
// notices. join lets frames pass again.
func (w *wire) cut(a, b *host) { w.setCut(a, b, true) }

func (w *wire) join(a, b *host) { w.setCut(a, b, false) }

func (w *wire) setCut(a, b *host, off bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cuts[[2]*port{a.port, b.port}], w.cuts[[2]*port{b.port, a.port}] = off, off
}

// slow delays all frames and loses a share of them.
func (w *wire) slow(delay time.Duration, loss float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay, w.loss = delay, loss
}

// The wire carries what hosts send, as slowly and as incompletely as it was told, and nothing
// between hosts that are cut off.
func TestWire(t *testing.T) {
	t.Parallel()
	l := newLAN(t, "one", "two")
	server := l.hosts["two"].listen(t, "80")
	defer server.Close() //nolint:errcheck // the test has ended
	go func() {
		for {
			if _, err := server.Accept(); err != nil {
				return
			}
		}
	}()
	dial := func() (took time.Duration, err error) {
		l.hosts["one"].inside(t, func() error {
			began := time.Now()
			conn, dialErr := net.DialTimeout("tcp", server.Addr().String(), time.Second)
			if took, err = time.Since(began), dialErr; dialErr == nil {
				_ = conn.Close()
			}
			return nil
		})
		return took, err
	}
	_, err := dial()
	require.NoError(t, err)
	l.wire.slow(100*time.Millisecond, 0)
	took, err := dial()
	require.NoError(t, err)
	require.GreaterOrEqual(t, took, 200*time.Millisecond)
	l.wire.cut(l.hosts["two"], l.hosts["one"])
	_, err = dial()
	require.Error(t, err)
	l.wire.join(l.hosts["two"], l.hosts["one"])
	_, err = dial()
	require.NoError(t, err)
}
