//go:build unix

package embedpg

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// maxSocketDir is the longest path of a socket's folder, in bytes: sun_path has 104 on macOS and 108 on Linux, minus the
// closing NUL and "/.s.PGSQL.65535".
const maxSocketDir = 104 - 1 - 15

// plainPath matches what clients accept as a host. A comma would separate two hosts, and clients differ in quoting.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/+@ -]*$`)

// socketDir is the server's socket folder: run in the state folder. If that path is too long for a socket or too odd for
// clients, it is a short one keyed by the path. It depends only on the state folder and the account, so that every command
// uses the same one, whatever its environment.
func socketDir(l layout, a account) string {
	dir := filepath.Join(string(l), "run")
	if len(dir) <= maxSocketDir && plainPath.MatchString(dir) {
		return dir
	}
	sum := sha256.Sum256([]byte(l))
	// 8 bytes are plenty to distinguish the state folders of one machine.
	return fmt.Sprintf("/tmp/relabel-%d-%s", a.uid, hex.EncodeToString(sum[:8]))
}

// makeSocketDir makes the folder that only the account may enter (and root, whom no mode stops). Under /tmp, someone
// else may have made it first. So an existing one must be a real folder that belongs to the account, which the sticky
// bit of /tmp then preserves. The opened folder is checked and changed, so replacing it in between has no effect.
func makeSocketDir(dir string, a account) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("error making socket folder: %w", err)
	}
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return foreignSocketDir(dir, a, err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("error reading socket folder: %w", err)
	}
	// As root, the folder is ours if it is new, if a start was killed before the next step, or if the account changed.
	if uid, _ := ownerOf(info); uid != a.uid && uid != os.Geteuid() {
		return foreignSocketDir(dir, a, errors.New("it belongs to "+accountName(uid)))
	}
	if a.switched {
		if err := f.Chown(a.uid, a.gid); err != nil {
			return fmt.Errorf("error giving socket folder to account %s: %w", a.name, err)
		}
	}
	if err := f.Chmod(0o700); err != nil {
		return fmt.Errorf("error making socket folder private: %w", err)
	}
	return nil
}

func foreignSocketDir(dir string, a account, why error) error {
	return fmt.Errorf("socket folder %s is not a folder of account %s (%w): remove it, or set RELABEL_STATE_DIR to another, shorter path", dir, a.name, why)
}
