package webflow

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// giveUpAfter has the kernel break the connection by itself when something it sent is
// not acknowledged for d. That is for a process which stands still: it closes nothing,
// while its kernel goes on sending for a quarter of an hour.
func giveUpAfter(tcp *net.TCPConn, d time.Duration) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // closed
	}
	ms := max(1, int(d.Milliseconds())) // 0 would be the kernel's own time
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms) })
}
