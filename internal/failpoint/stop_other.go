//go:build failpoints && unix && !linux

package failpoint

import (
	"os"
	"syscall"
)

// stop stops the process, this thread perhaps a moment later.
func stop() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
