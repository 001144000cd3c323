//go:build !windows

package intake

import (
	"os"
	"os/exec"
	"syscall"
)

func shellWords() []string { return []string{"/bin/sh", "-c"} }

func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }
