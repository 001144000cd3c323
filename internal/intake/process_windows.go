package intake

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

func shellWords() []string { return []string{"cmd", "/C"} }

func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}

// killGroup ends a process and its children. Windows kills no groups, but has a program for it.
func killGroup(p *os.Process) error {
	return exec.CommandContext(context.Background(), "taskkill", "/T", "/F", "/PID", strconv.Itoa(p.Pid)).Run()
}
