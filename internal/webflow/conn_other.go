//go:build !linux

package webflow

import (
	"net"
	"time"
)

// giveUpAfter does nothing here: only Linux has such an option.
func giveUpAfter(*net.TCPConn, time.Duration) {}
