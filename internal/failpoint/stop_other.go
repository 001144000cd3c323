//go:build failpoints && unix && !linux

package failpoint

import (
	"os"
	"syscall"
)

// stop stops the process. This thread may go on for a moment.
func stop() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
