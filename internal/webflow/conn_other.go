//go:build !linux

package webflow

import (
	"net"
	"time"
)

// giveUpAfter is Linux's alone.
func giveUpAfter(*net.TCPConn, time.Duration) {}
