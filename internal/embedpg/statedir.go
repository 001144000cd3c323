//go:build unix

package embedpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// defaultStateDir is the user's own state folder, or for root a system folder, since the account that runs the server
// can't enter root's home.
func defaultStateDir() (string, error) {
	if os.Geteuid() == 0 {
		return rootStateDir(runtime.GOOS), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return userStateDir(runtime.GOOS, home, os.Getenv("XDG_STATE_HOME"))
}

func rootStateDir(goos string) string {
	if goos == "darwin" {
		return "/Library/Application Support/relabel"
	}
	return "/var/lib/relabel"
}

func userStateDir(goos, home, xdg string) (string, error) {
	switch {
	case goos == "darwin" && filepath.IsAbs(home):
		return filepath.Join(home, "Library", "Application Support", "relabel"), nil
	case goos != "darwin" && filepath.IsAbs(xdg): // the XDG rules say to ignore a relative path
		return filepath.Join(xdg, "relabel"), nil
	case goos != "darwin" && filepath.IsAbs(home):
		return filepath.Join(home, ".local", "state", "relabel"), nil
	}
	return "", errors.New("no home folder to keep the private PostgreSQL in: set RELABEL_STATE_DIR to a folder, or DATABASE_URL to a database")
}

// layout is the path of a state folder, and names what is in it.
type layout string

func (l layout) home(major int) string     { return filepath.Join(string(l), "pg"+strconv.Itoa(major)) }
func (l layout) data(major int) string     { return filepath.Join(l.home(major), "data") }
func (l layout) password(major int) string { return filepath.Join(l.home(major), "password") }
func (l layout) log(major int) string {
	return filepath.Join(string(l), "log", "pg"+strconv.Itoa(major)+".log")
}
func (l layout) locks() string   { return filepath.Join(string(l), "locks") }
func (l layout) control() string { return filepath.Join(l.locks(), "control.lock") }
func (l layout) clients() string { return filepath.Join(l.locks(), "clients.lock") }

// resolve returns the path of an existing state folder without symlinks, so that two spellings of it share their locks
// and their socket. For a missing folder it returns fs.ErrNotExist.
func resolve(dir string) (layout, error) {
	if dir == "" {
		var err error
		if dir, err = defaultStateDir(); err != nil {
			return "", err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("error finding state folder: %w", err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return layout(dir), fs.ErrNotExist
	}
	if err != nil {
		return "", fmt.Errorf("error finding state folder: %w: set RELABEL_STATE_DIR to a folder of your own", err)
	}
	return layout(real), checkOwn(real)
}

// prepare makes the state folder if it is missing.
func prepare(dir string) (layout, error) {
	l, err := resolve(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return l, err
	}
	if err := mkdirAll(string(l), folderMode()); err != nil {
		return "", fmt.Errorf("error making state folder: %w: set RELABEL_STATE_DIR to a folder of your own", err)
	}
	return resolve(string(l))
}

// folderMode keeps all other users out. Only root's folders must let the server's account through.
func folderMode() fs.FileMode {
	if os.Geteuid() == 0 {
		return 0o755
	}
	return 0o700
}

// mkdirAll is os.MkdirAll, but gives each folder that it makes exactly this mode, whatever the umask.
func mkdirAll(dir string, mode fs.FileMode) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := mkdirAll(parent, mode); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, mode); errors.Is(err, fs.ErrExist) {
		return nil // another command was faster
	} else if err != nil {
		return err
	}
	return os.Chmod(dir, mode)
}

// checkOwn refuses a state folder that another user owns or may write in. Such a user could replace our data folder,
// password or lock, and with root's folder become root.
func checkOwn(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("error reading state folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("state folder %s is not a folder: set RELABEL_STATE_DIR to one", dir)
	}
	uid, gid := ownerOf(info)
	if uid != os.Geteuid() {
		return fmt.Errorf("state folder %s belongs to %s and relabel runs as %s: run relabel as its owner, or set RELABEL_STATE_DIR to another folder",
			dir, accountName(uid), accountName(os.Geteuid()))
	}
	// Write access for one's own group is usual (umask 002) and harmless.
	shared := fs.FileMode(0o002)
	if gid != os.Getegid() {
		shared |= 0o020
	}
	if info.Mode()&shared != 0 {
		return fmt.Errorf("state folder %s may be written by other users: run chmod go-w on it, or set RELABEL_STATE_DIR to another folder", dir)
	}
	return nil
}

func ownerOf(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}
