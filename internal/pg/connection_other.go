//go:build !linux

package pg

import "syscall"

// limitUnheard does nothing: only Linux has TCP_USER_TIMEOUT.
func limitUnheard(string, string, syscall.RawConn) error { return nil }
