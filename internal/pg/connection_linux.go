package pg

import (
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitUnheard sets a TCP socket's TCP_USER_TIMEOUT: keepalives are sent only
// while nothing of ours is on its way.
func limitUnheard(network, _ string, raw syscall.RawConn) error {
	if !strings.HasPrefix(network, "tcp") {
		return nil
	}
	return raw.Control(func(fd uintptr) {
		// Without it the connection is as good as any other.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheardTime.Milliseconds()))
	})
}
