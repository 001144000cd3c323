//go:build failpoints

package failpoint

import (
	"os"
	"runtime"
	"syscall"
)

// stop stops the process, beginning with this thread. A signal to the whole process
// could reach another thread first, and this one would go on for a while.
func stop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = syscall.Tgkill(os.Getpid(), syscall.Gettid(), syscall.SIGSTOP)
}
