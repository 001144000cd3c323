//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is who the server's processes run as.
type account struct {
	name     string
	uid, gid int
	switched bool // to another user than ours, because we are root
}

// chooseAccount returns the current user, unless that is root. For root it returns the owner of the data folder, so that
// an account made later does not lock the server out of its data. Without data it returns the first account of a list.
func chooseAccount(dataDir string, log *slog.Logger) (account, error) {
	if uid := os.Geteuid(); uid != 0 {
		return account{name: accountName(uid), uid: uid, gid: os.Getegid()}, nil
	}
	if info, err := os.Stat(dataDir); err == nil {
		uid, gid := ownerOf(info)
		if uid == 0 {
			return account{}, fmt.Errorf("data folder %s belongs to root, which PostgreSQL refuses to run as: give it to an unprivileged account with chown -R", dataDir)
		}
		return account{name: accountName(uid), uid: uid, gid: gid, switched: true}, nil
	}
	return unprivileged([]string{"relabel", "postgres", "nobody"}, log)
}

func unprivileged(names []string, log *slog.Logger) (account, error) {
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if uidErr != nil || gidErr != nil || uid == 0 {
			continue
		}
		if name == "nobody" {
			log.Warn("the private PostgreSQL runs as nobody, which other services may share: an account named relabel keeps its data apart")
		}
		return account{name: name, uid: int(uid), gid: int(gid), switched: true}, nil
	}
	return account{}, errors.New("relabel runs as root and PostgreSQL refuses to: add an account for it with useradd --system relabel, or run relabel as an ordinary user")
}

func accountName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}

// chown makes the account the owner of a file or folder. Symlinks are not followed.
func (a account) chown(path string) error {
	if !a.switched {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// command prepares a process of the account. It gets nothing of ours: not the environment, which holds tokens; not the
// terminal and process group, since Ctrl-C is for relabel and not for the database; not the groups.
func (a account) command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = serverEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a.switched {
		// With Groups empty and NoSetGroups false, the child has no supplementary groups.
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
	return cmd
}

// interrupt sends a process SIGINT with the account's rights. The account writes postmaster.pid, so as root we must not
// signal the process in it ourselves: it could be any process of the machine. The kernel checks whose it is.
func (a account) interrupt(pid int) error {
	if !a.switched {
		return syscall.Kill(pid, syscall.SIGINT)
	}
	// The shell's own kill: a small system may lack the program.
	out, err := a.command(context.Background(), "/", "/bin/sh", "-c", `kill -INT "$1"`, "sh", strconv.Itoa(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("it is no process of account %s (%s): see what it is with ps, and end that account's postgres by hand", a.name, oneLine(string(out)))
	}
	return nil
}

// serverEnv is the whole environment of the server's processes. It is the same everywhere, so that messages, sort orders
// and times don't depend on who started the server.
func serverEnv() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL=C", "LANG=C", "TZ=UTC"}
}

// checkReach checks that the account can enter a folder: it needs the execute bit of every folder on the way.
func (a account) checkReach(dir string) error {
	if !a.switched {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !a.mayEnter(info) {
			return fmt.Errorf("account %s, which runs the server when relabel runs as root, can't enter %s", a.name, d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	uid, gid := ownerOf(info)
	switch {
	case uid == a.uid:
		return info.Mode()&0o100 != 0
	case gid == a.gid:
		return info.Mode()&0o010 != 0
	}
	return info.Mode()&0o001 != 0
}
