package webflow_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"relabel/internal/standin"
	"relabel/internal/webflow"
)

// lossy is a listener whose connections can lose every incoming packet, as a router
// would. A filter in the kernel drops them before TCP sees them, so the other end gets
// no acknowledgement and sends again.
type lossy struct {
	net.Listener
	mu    sync.Mutex
	conns []*net.TCPConn
}

func (l *lossy) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, conn.(*net.TCPConn))
	return conn, nil
}

// lose starts to drop all packets of the present connections. Some kernels allow only root
// to do that: the test is then skipped for others.
func (l *lossy) lose(t *testing.T) {
	t.Helper()
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	l.each(t, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	})
}

// deliver ends the loss. What the other end sends again now arrives.
func (l *lossy) deliver(t *testing.T) {
	t.Helper()
	l.each(t, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) })
}

func (l *lossy) each(t *testing.T, set func(fd int) error) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NotEmpty(t, l.conns)
	for _, conn := range l.conns {
		raw, err := conn.SyscallConn()
		require.NoError(t, err)
		var failed error
		require.NoError(t, raw.Control(func(fd uintptr) { failed = set(int(fd)) }))
		if errors.Is(failed, unix.EPERM) && os.Getuid() != 0 {
			t.Skip("this kernel lets only root drop a socket's packets: run it as root")
		}
		require.NoError(t, failed)
	}
}

// unsent reports whether the kernel still holds unacknowledged bytes for the listener,
// including those of closed sockets and of ended processes.
func (l *lossy) unsent(t *testing.T) bool {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	require.NoError(t, err)
	to := fmt.Sprintf(":%04X", l.Addr().(*net.TCPAddr).Port)
	for line := range strings.Lines(string(table)) {
		// sl local_address rem_address st tx_queue:rx_queue ...
		f := strings.Fields(line)
		if len(f) > 4 && strings.HasSuffix(f[2], to) && !strings.HasPrefix(f[4], "00000000:") {
			return true
		}
	}
	return false
}

func (l *lossy) eventuallyUnsent(t *testing.T, want bool) {
	t.Helper()
	const poll = 50 * time.Millisecond // each check takes the kernel some milliseconds
	require.Eventually(t, func() bool { return l.unsent(t) == want }, patience, poll, "unsent bytes: %v", want)
}

// lostBundle is a stand-in server behind a lossy listener.
type lostBundle struct {
	*lossy
	api *standin.Server
	url string
	pem []byte // of the certificate to trust; nil without TLS
}

func setupLost(t *testing.T, secure bool) *lostBundle {
	t.Helper()
	api := standin.New(standin.Config{Assets: 1})
	t.Cleanup(api.Close)
	server := httptest.NewUnstartedServer(api)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	l := &lossy{Listener: server.Listener}
	server.Listener = l
	start := server.Start
	if secure {
		start = server.StartTLS
	}
	start()
	t.Cleanup(server.Close)
	b := &lostBundle{lossy: l, api: api, url: server.URL}
	if secure {
		b.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	}
	return b
}

func (b *lostBundle) client(t *testing.T) *webflow.Client {
	t.Helper()
	return newClient(t, webflow.Config{BaseURL: b.url, Transport: trustingPEM(b.pem)})
}

func trustingPEM(cert []byte) *http.Transport {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return webflow.TransportTrusting(roots)
}

// named returns the names that arrived, in order.
func (b *lostBundle) named() (names []string) {
	for _, c := range b.api.Log() {
		names = append(names, *c.DisplayName)
	}
	return names
}

// TestGivenUpCallIsNotDelivered: the kernel sends lost packets again, for up to 90 s
// after a normal close of the connection. So when a call is given up, the kernel must
// drop its bytes. Otherwise they could arrive after a newer value and overwrite it.
func TestGivenUpCallIsNotDelivered(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(scheme(secure)+", at the deadline", func(t *testing.T) {
			t.Parallel()
			b := setupLost(t, secure)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			b.giveUp(t, ctx, func() {})
		})
		t.Run(scheme(secure)+", stopped", func(t *testing.T) {
			t.Parallel()
			b := setupLost(t, secure)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b.giveUp(t, ctx, func() {
				b.eventuallyUnsent(t, true)
				cancel()
			})
		})
	}
}

// giveUp makes a call whose packets are lost until it has ended; end may end it.
func (b *lostBundle) giveUp(t *testing.T, ctx context.Context, end func()) {
	t.Helper()
	client := b.client(t)
	require.NoError(t, nameIt(t.Context(), client, "first"))
	b.lose(t)
	ended := make(chan error, 1)
	go func() { ended <- nameIt(ctx, client, "old") }()
	end()
	e := asError(t, <-ended)
	require.Equal(t, webflow.KindUnknown, e.Kind, "%v", e)
	b.newest(t)
}

// newest ends the loss, and sends the newest name once no older one can arrive.
func (b *lostBundle) newest(t *testing.T) {
	t.Helper()
	b.deliver(t)
	b.eventuallyUnsent(t, false)
	require.NoError(t, nameIt(t.Context(), b.client(t), "new"))
	require.Equal(t, []string{"first", "new"}, b.named(), "nothing of the call that was given up arrives")
}

// TestKilledCallIsNotDelivered: a call of a killed process is not delivered either.
func TestKilledCallIsNotDelivered(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		t.Run(scheme(secure), func(t *testing.T) {
			t.Parallel()
			b := setupLost(t, secure)
			p := b.spawn(t)
			p.say(t, "first")
			require.Equal(t, "<nil>", p.hear(t))
			b.lose(t)
			p.say(t, "old")
			b.eventuallyUnsent(t, true)
			require.NoError(t, p.cmd.Process.Kill())
			_ = p.cmd.Wait()
			b.newest(t)
		})
	}
}

// TestStoppedCallIsNotDelivered: a call of a stopped process, which cannot close its
// connection, is not delivered either.
func TestStoppedCallIsNotDelivered(t *testing.T) {
	t.Parallel()
	b := setupLost(t, false)
	p := b.spawn(t)
	p.say(t, "first")
	require.Equal(t, "<nil>", p.hear(t))
	b.lose(t)
	p.say(t, "old")
	b.eventuallyUnsent(t, true)
	require.NoError(t, p.cmd.Process.Signal(unix.SIGSTOP))
	b.eventuallyUnsent(t, false) // the kernel gives up by itself
	b.newest(t)
}

// callerTimeout is short, because a test waits for it.
const callerTimeout = 3 * time.Second

// caller is a process that makes a call for each name it reads.
type caller struct {
	cmd *exec.Cmd
	in  io.Writer
	out *bufio.Reader
}

// The environment variables of a caller: the address, and the certificate to trust.
const (
	callerURL = "RELABEL_TEST_CALL_URL"
	callerPEM = "RELABEL_TEST_CALL_PEM"
)

// TestMain turns this program into a caller if it was started as one.
func TestMain(m *testing.M) {
	if os.Getenv(callerURL) == "" {
		os.Exit(m.Run())
	}
	cfg := webflow.Config{BaseURL: os.Getenv(callerURL), Transport: trustingPEM([]byte(os.Getenv(callerPEM))), Timeout: callerTimeout}
	var err error
	if cfg.Token, err = webflow.NewToken(testToken); err != nil {
		panic(err)
	}
	client, err := webflow.NewClient(cfg)
	if err != nil {
		panic(err)
	}
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		fmt.Println(nameIt(context.Background(), client, names.Text()))
	}
}

func (b *lostBundle) spawn(t *testing.T) *caller {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), callerURL+"="+b.url, callerPEM+"="+string(b.pem))
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &caller{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

func (p *caller) say(t *testing.T, name string) {
	t.Helper()
	_, err := fmt.Fprintln(p.in, name)
	require.NoError(t, err)
}

func (p *caller) hear(t *testing.T) string {
	t.Helper()
	line, err := p.out.ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}
