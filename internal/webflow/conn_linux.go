package webflow

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// giveUpAfter makes the kernel break the connection when sent bytes are not
// acknowledged for d. A stopped process needs this: it closes nothing, and its kernel
// would go on sending for 15 minutes.
func giveUpAfter(tcp *net.TCPConn, d time.Duration) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // closed
	}
	ms := max(1, int(d.Milliseconds())) // 0 means the kernel's default
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms) })
}
