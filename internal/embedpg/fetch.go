//go:build unix

package embedpg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	embedded "github.com/fergusstrange/embedded-postgres"
)

// fetchTimeout limits the download of 15 to 30 MB. 10 minutes are 50 kB/s.
const fetchTimeout = 10 * time.Minute

// fetchLeftoverAge is the age at which the folder of a killed fetch is removed. It is well above fetchTimeout, so that
// the fetch of another command keeps its folder.
const fetchLeftoverAge = time.Hour

// fetch downloads server programs and unpacks them into the cache, where the caller finds them. Only an archive whose
// checksum is in the table of pins is unpacked.
func fetch(ctx context.Context, cache string, repo repository, major int) error {
	p, err := repo.pick(platform(), major)
	if err != nil {
		return err
	}
	if err := mkdirAll(cache, folderMode()); err != nil {
		return fmt.Errorf("error making cache folder: %w", err)
	}
	removeLeftovers(filepath.Join(globEscape(cache), "fetch-*"), fetchLeftoverAge)
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTimeout, fmt.Errorf("the download took longer than %s", fetchTimeout))
	defer cancel()
	jar, err := download(ctx, repo.jarURL(p))
	if err != nil {
		return err
	}
	if err := p.check(jar); err != nil {
		return err
	}
	return fetchInto(cache, jar, p)
}

// fetchInto unpacks into a temporary folder and renames it, so that the cache never holds half an installation.
func fetchInto(cache string, jar []byte, p pin) (err error) {
	defer func() {
		if p := recover(); p != nil { // the library panics when it can't remove a temporary file
			err = fmt.Errorf("error unpacking binaries: %v", p)
		}
	}()
	tmp, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return fmt.Errorf("error making folder: %w", err)
	}
	defer discard(tmp)
	if err := writeArchive(filepath.Join(tmp, "archive", p.name()+".txz"), jar); err != nil {
		return err
	}
	if err := unpack(tmp, p); err != nil {
		return err
	}
	unpacked := filepath.Join(tmp, "unpacked")
	if !hasPrograms(filepath.Join(unpacked, "bin")) {
		return fmt.Errorf("the fetched archive lacks one of %s", strings.Join(serverPrograms(), ", "))
	}
	if err := makeReadable(unpacked); err != nil {
		return fmt.Errorf("error setting modes: %w", err)
	}
	target := filepath.Join(cache, "pg-"+p.version)
	if err := os.Rename(unpacked, target); err != nil && !hasPrograms(filepath.Join(target, "bin")) {
		return fmt.Errorf("error moving binaries in place: %w", err) // else another command was faster
	}
	return nil
}

// unpack makes the library unpack the archive in tmp into tmp/unpacked, and nothing else. The library only exports
// Start, which goes on to delete its data folder, make a new one and run the server on it. We therefore give it a
// data folder that can't be deleted: Go refuses to remove a path that ends in "/.". Start fails there, and has changed
// nothing outside tmp and run nothing.
func unpack(tmp string, p pin) error {
	noData := filepath.Join(tmp, "data") + "/."
	cfg := embedded.DefaultConfig().
		Version(embedded.PostgresVersion(p.version)).
		Port(0). // Start wants a free port, and 0 always is one
		CachePath(filepath.Join(tmp, "archive")).
		BinaryRepositoryURL("unused:"). // it would download an unchecked archive if it did not find ours
		RuntimePath(filepath.Join(tmp, "runtime")).
		BinariesPath(filepath.Join(tmp, "unpacked")).
		DataPath(noData).
		Logger(io.Discard)
	err := embedded.NewDatabase(cfg).Start()
	if err == nil {
		return errors.New("the unpacking library ran a server it should not have: report this as a bug of relabel")
	}
	if strings.HasPrefix(err.Error(), "unable to clean up data directory "+noData) {
		return nil // the binaries are there, and Start came no further
	}
	return fmt.Errorf("error unpacking binaries: %s", oneLine(err.Error()))
}

// makeReadable lets the server's account read what root unpacked, whatever root's umask was.
func makeReadable(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if d.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return root.Chmod(path, mode&^0o022)
	})
}

// discard removes a temporary folder. What can't be removed is left for removeLeftovers.
func discard(dir string) { _ = os.RemoveAll(dir) }

// removeLeftovers removes the folders of killed commands, if they are so old that nobody can still use them. What can't be
// removed is left for the next time.
func removeLeftovers(pattern string, age time.Duration) {
	matches, _ := filepath.Glob(pattern)
	for _, path := range matches {
		if info, err := os.Lstat(path); err == nil && time.Since(info.ModTime()) >= age {
			discard(path)
		}
	}
}
