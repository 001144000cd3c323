//go:build unix

package embedpg

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	role     = "relabel"  // the only role of the data folder, a superuser
	database = "postgres" // always there; another database would only cost a copy of it
)

// initdbKillDelay is how long an interrupted initdb may take to end before it is killed.
const initdbKillDelay = 5 * time.Second

// majors lists the major versions that have a data folder, newest first.
func (l layout) majors() ([]int, error) {
	homes, err := filepath.Glob(filepath.Join(globEscape(string(l)), "pg[0-9]*"))
	if err != nil {
		return nil, fmt.Errorf("error listing data folders: %w", err)
	}
	var majors []int
	for _, home := range homes {
		major, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(home), "pg"))
		if err != nil {
			continue // not a name of ours
		}
		if err := l.checkVersion(major); err != nil {
			return nil, err
		}
		majors = append(majors, major)
	}
	slices.Sort(majors)
	slices.Reverse(majors)
	return majors, nil
}

// checkVersion compares a data folder's name with what PostgreSQL wrote into it. We rename a folder into place when it is
// complete, so if they differ somebody else changed it, and we don't use it.
func (l layout) checkVersion(major int) error {
	written, err := os.ReadFile(filepath.Join(l.data(major), "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("folder %s holds no complete data folder (%w): move it away to begin with an empty database, or restore it", l.home(major), err)
	}
	if v := strings.TrimSpace(string(written)); v != strconv.Itoa(major) {
		return fmt.Errorf("data folder %s is of PostgreSQL %s, not %d: move it back where it came from", l.data(major), v, major)
	}
	return nil
}

func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// initialise makes a data folder. It is made under a temporary name and then renamed together with its password, so a
// data folder with its proper name is always complete. The caller holds the control lock.
func (in *instance) initialise(ctx context.Context, bin binaries) error {
	in.log.Info("making the private PostgreSQL's data folder", "path", in.data(bin.major), "version", bin.version)
	removeLeftovers(filepath.Join(globEscape(string(in.layout)), "init-*"), 0)
	tmp, err := os.MkdirTemp(string(in.layout), "init-")
	if err != nil {
		return fmt.Errorf("error making data folder: %w", err)
	}
	defer discard(tmp)
	if err := in.populate(ctx, bin, tmp); err != nil {
		return err
	}
	if err := moveSynced(tmp, in.home(bin.major)); err != nil {
		return fmt.Errorf("error moving data folder in place: %w", err)
	}
	return nil
}

// populate makes data and password in an empty folder. The server's account must read the password file while initdb
// runs, so if we are root it owns the file for that time.
func (in *instance) populate(ctx context.Context, bin binaries, tmp string) error {
	data, password := filepath.Join(tmp, "data"), filepath.Join(tmp, "password")
	err := cmp.Or(
		os.Chmod(tmp, folderMode()),
		os.Mkdir(data, 0o700),
		writeSynced(password, rand.Text()), // 130 random bits
		in.account.chown(data),
		in.account.chown(password),
	)
	if err != nil {
		return fmt.Errorf("error making data folder: %w", err)
	}
	if err := in.initdb(ctx, bin, data, password); err != nil {
		return err
	}
	if err := os.Lchown(password, os.Geteuid(), os.Getegid()); err != nil {
		return fmt.Errorf("error taking back password file: %w", err)
	}
	return nil
}

func (in *instance) initdb(ctx context.Context, bin binaries, data, password string) error {
	args := []string{
		"-D", data, "--username=" + role, "--pwfile=" + password, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", // sorted and compared the same on every machine
		"--data-checksums", "--no-instructions",
	}
	// initdb syncs what it wrote. Nothing else would, and a power cut weeks later could destroy the catalogs. It takes
	// most of the first start (0.9 of 1.5 s), so without fsync it is skipped.
	if in.cfg.Settings["fsync"] == "off" {
		args = append(args, "--no-sync")
	}
	cmd := in.account.command(ctx, string(in.layout), filepath.Join(bin.dir, "initdb"), args...)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) } // its children too
	cmd.WaitDelay = initdbKillDelay
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return fmt.Errorf("stopped while making the data folder: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("initdb of PostgreSQL %s failed: %w: %s%s", bin.version, err, lastLines(string(out)), initdbHint(string(out)))
	}
	return nil
}

// initdbHint adds the remedy for the only common failure whose message names none: a container that runs as a number, as
// with docker run --user.
func initdbHint(out string) string {
	if strings.Contains(out, "could not look up effective user ID") {
		return ": give this user an entry in /etc/passwd, or set DATABASE_URL to a database"
	}
	return ""
}

func writeSynced(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	return cmp.Or(err, f.Sync(), f.Close())
}

// moveSynced renames a folder. It makes the names inside durable first, and then the new name.
func moveSynced(from, to string) error {
	if err := syncDir(from); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return cmp.Or(f.Sync(), f.Close())
}
