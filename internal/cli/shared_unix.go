//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// isShared reports whether all users may make files in a folder, as in /tmp.
func isShared(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && (info.Mode()&fs.ModeSticky != 0 || info.Mode()&0o002 != 0)
}

// isForeign reports whether a file belongs to another user.
func isForeign(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) != os.Geteuid()
}
