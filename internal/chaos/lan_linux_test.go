package chaos

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// lan is a network of hosts without any way out. A host is a network namespace with a veth,
// whose other end is in the namespace of a wire of this process.
type lan struct {
	t      *testing.T
	prefix string // of the namespaces' names
	wire   *wire
	hosts  map[string]*host
}

type host struct {
	name      string
	namespace string
	ip        string
	port      *port // of the wire
}

// newLAN makes namespaces, which only root may.
func newLAN(t *testing.T, names ...string) *lan {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil || os.Geteuid() != 0 {
		skipOrFail(t, "networks of hosts need root and the program ip (Debian's package iproute2)")
	}
	l := &lan{t: t, prefix: fmt.Sprintf("relabel-%d-%d-", os.Getpid(), nodes.Add(1)), hosts: map[string]*host{}}
	l.makeNamespace("wire")
	l.wire = newWire(t)
	for i, name := range names {
		l.join(name, fmt.Sprintf("10.77.0.%d", i+1))
	}
	l.wire.start()
	return l
}

func (l *lan) makeNamespace(name string) string {
	l.t.Helper()
	ns := l.prefix + name
	ip(l.t, "netns", "add", ns)
	l.t.Cleanup(func() { ip(l.t, "netns", "del", ns) })
	ip(l.t, "-n", ns, "link", "set", "lo", "up")
	return ns
}

func (l *lan) join(name, address string) {
	l.t.Helper()
	h := &host{name: name, namespace: l.makeNamespace(name), ip: address}
	wired := l.prefix + "wire"
	ip(l.t, "-n", wired, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", h.namespace)
	ip(l.t, "-n", h.namespace, "address", "add", address+"/24", "dev", "eth0")
	h.inside(l.t, func() error { return plainFrames("eth0") })
	ip(l.t, "-n", h.namespace, "link", "set", "eth0", "up")
	ip(l.t, "-n", wired, "link", "set", name, "up")
	within(l.t, wired, func() (err error) {
		h.port, err = l.wire.attach(name)
		return err
	})
	l.hosts[name] = h
}

func ip(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v: %s", args, out)
}

// command is what runs a program on the host.
func (h *host) command() []string { return []string{"nsenter", "--net=/run/netns/" + h.namespace} }

// unplug and plug are somebody who pulls the cable: the kernel notices.
func (h *host) unplug(t *testing.T) { ip(t, "-n", h.namespace, "link", "set", "eth0", "down") }

func (h *host) plug(t *testing.T) { ip(t, "-n", h.namespace, "link", "set", "eth0", "up") }

// listen opens a port on the host, for a server of this process.
func (h *host) listen(t *testing.T, p string) (l net.Listener) {
	t.Helper()
	h.inside(t, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(h.ip, p))
		return err
	})
	return l
}

func (h *host) inside(t *testing.T, fn func() error) {
	t.Helper()
	within(t, h.namespace, fn)
}

// within runs fn in a namespace. Its thread ends with it, so nothing else gets there.
func within(t *testing.T, namespace string, fn func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- enter(namespace, fn)
	}()
	require.NoError(t, <-done)
}

func enter(namespace string, fn func() error) error {
	f, err := os.Open("/run/netns/" + namespace)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("error entering %s: %w", namespace, err)
	}
	return fn()
}

// plainFrames makes the kernel send frames that are complete: with their checksums, and no
// longer than the wire takes. Otherwise it leaves both to the network card.
func plainFrames(device string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("error opening a socket: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // it holds nothing
	for _, feature := range []uint32{unix.ETHTOOL_STXCSUM, unix.ETHTOOL_STSO, unix.ETHTOOL_SGSO} {
		value := struct{ cmd, on uint32 }{feature, 0}
		request := struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}{data: unsafe.Pointer(&value)} //nolint:gosec // the kernel reads it during the call
		copy(request.name[:], device)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))) //nolint:gosec // as above
		if errno != 0 {
			return fmt.Errorf("error setting up %s: %w", device, errno)
		}
	}
	return nil
}
