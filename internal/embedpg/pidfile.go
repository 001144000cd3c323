//go:build unix

package embedpg

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pidFile is what a server writes about itself into postmaster.pid. This package only reads the file. PostgreSQL alone
// decides whether it is stale and may be replaced.
type pidFile struct {
	pid       int
	port      int
	socketDir string
	listen    string // "" without TCP
	ready     bool
}

// readPidFile returns ok=false if there is no file or no server wrote it: a file is half written, or has the negative
// number of a single-user session.
func readPidFile(dataDir string) (p pidFile, ok bool) {
	text, err := os.ReadFile(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil {
		return pidFile{}, false
	}
	return parsePidFile(text)
}

// parsePidFile reads the lines by position: pid, data folder, start time, port, socket folder, first TCP address,
// shared memory key, state.
func parsePidFile(text []byte) (p pidFile, ok bool) {
	var lines [8]string
	for i, line := range strings.SplitN(string(text), "\n", len(lines)+1) {
		if i < len(lines) {
			lines[i] = strings.TrimSpace(line)
		}
	}
	pid, err := strconv.Atoi(lines[0])
	if err != nil || pid <= 1 {
		return pidFile{}, false
	}
	port, _ := strconv.Atoi(lines[3]) // "" while the server is starting
	return pidFile{pid: pid, port: port, socketDir: lines[4], listen: lines[5], ready: lines[7] == "ready"}, true
}

// alive reports whether a process exists that could be our server. EPERM means another user's process with a reused
// number, for PostgreSQL as for us.
func alive(pid int) bool {
	return syscall.Kill(pid, 0) == nil
}
