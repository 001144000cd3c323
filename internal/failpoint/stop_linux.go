//go:build failpoints

package failpoint

import (
	"os"
	"runtime"
	"syscall"
)

// stop stops the process, and this thread at once: of a signal to the process
// another thread may take note, and this one would go on for a while.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
}
