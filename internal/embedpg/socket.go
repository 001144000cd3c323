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

// maxSocketDir is the longest folder a socket fits into, in bytes: sun_path holds 104 on macOS and 108 on Linux,
// less the closing NUL and "/.s.PGSQL.65535".
const maxSocketDir = 104 - 1 - 15

// plainPath is what clients can take as a host: a comma would separate two hosts, and quoting differs among them.
var plainPath = regexp.MustCompile(`^/[A-Za-z0-9._/+@ -]*$`)

// socketDir is the server's socket folder: run in the state folder, or when that path is too long for a socket or
// too odd for clients, a short one keyed by the path. It depends on nothing but the state folder and the account,
// so that every command arrives at the same one whatever its environment.
func socketDir(l layout, a account) string {
	dir := filepath.Join(string(l), "run")
	if len(dir) <= maxSocketDir && plainPath.MatchString(dir) {
		return dir
	}
	sum := sha256.Sum256([]byte(l))
	// 8 bytes tell the state folders of one machine apart with ease.
	return fmt.Sprintf("/tmp/relabel-%d-%s", a.uid, hex.EncodeToString(sum[:8]))
}

// makeSocketDir makes the folder that only the account may enter (and root, whom no mode stops). Under /tmp someone
// else may have made it first, so an existing one must be a real folder and the account's own; the sticky bit of
// /tmp keeps it so. What is checked and changed is the opened folder, so a swap in between gains nothing.
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
	// Ours, as root, when it is new, a start was killed before the next step, or the account changed.
	if uid, _ := ownerOf(info); uid != a.uid && uid != os.Geteuid() {
		return foreignSocketDir(dir, a, errors.New("it belongs to "+accountName(uid)))
	}
	if a.switched {
		if err := f.Chown(a.uid, a.gid); err != nil {
			return fmt.Errorf("error giving socket folder to account %s: %w", a.name, err)
		}
	}
	if err := f.Chmod(0o700); err != nil {
		return fmt.Errorf("error closing socket folder to others: %w", err)
	}
	return nil
}

func foreignSocketDir(dir string, a account, why error) error {
	return fmt.Errorf("socket folder %s is not a folder of account %s (%w): remove it, or set RELABEL_STATE_DIR to another, shorter path", dir, a.name, why)
}
