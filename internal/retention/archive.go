package retention

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relabel/db"
)

// Archive writes what is pruned as compressed CSV: one file for each table and run. A
// file has the ending .part until Close. If the process is killed, that file holds all
// that was deleted, as each chunk is on the disk before it is deleted.
type Archive struct {
	dir   string
	stamp string
	files map[string]*archiveFile
}

type archiveFile struct {
	path string
	file *os.File
	gzip *gzip.Writer
}

// part is the ending of a file that is not complete.
const part = ".part"

// NewArchive makes an archive in a folder, which it creates if need be. now is part of
// the files' names.
func NewArchive(dir string, now time.Time) (*Archive, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("error creating the archive's folder: %w", err)
	}
	stamp := strings.ReplaceAll(now.UTC().Format("20060102T150405.000Z"), ".", "")
	return &Archive{dir: dir, stamp: stamp, files: map[string]*archiveFile{}}, nil
}

// write appends rows of a table, and returns when they are on the disk.
func (a *Archive) write(ctx context.Context, d *db.DB, t table, keys string) error {
	f, header := a.files[t.name], ""
	if f == nil {
		var err error
		if f, err = a.open(t.name); err != nil {
			return err
		}
		header = ", HEADER"
	}
	conn, err := d.Pool().Acquire(ctx)
	if err != nil {
		return fmt.Errorf("error connecting: %w", err)
	}
	defer conn.Release()
	literal := "'" + strings.ReplaceAll(keys, "'", "''") + "'::jsonb" // COPY has no parameters
	sql := fmt.Sprintf("COPY (SELECT t.* FROM %s ORDER BY %s) TO STDOUT (FORMAT csv%s)", t.named(literal), t.columns("t."), header)
	if _, err := conn.Conn().PgConn().CopyTo(ctx, f.gzip, sql); err != nil {
		return fmt.Errorf("error writing the archive: %w", err)
	}
	if err := errors.Join(f.gzip.Flush(), f.file.Sync()); err != nil {
		return fmt.Errorf("error writing the archive: %w", err)
	}
	return nil
}

func (a *Archive) open(table string) (*archiveFile, error) {
	path := filepath.Join(a.dir, "relabel-"+a.stamp+"-"+table+".csv.gz")
	file, err := os.OpenFile(path+part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("error creating the archive: %w", err)
	}
	f := &archiveFile{path: path, file: file, gzip: gzip.NewWriter(file)}
	a.files[table] = f
	return f, nil
}

// Close completes the files and returns their paths. A nil Archive has none.
func (a *Archive) Close() (paths []string, err error) {
	if a == nil {
		return nil, nil
	}
	for _, f := range a.files {
		one := errors.Join(f.gzip.Close(), f.file.Sync(), f.file.Close())
		if one == nil {
			one = os.Rename(f.path+part, f.path)
		}
		if one != nil {
			err = errors.Join(err, fmt.Errorf("error completing %s: %w", f.path, one))
			continue
		}
		paths = append(paths, f.path)
	}
	slices.Sort(paths)
	syncFolder(a.dir)
	return paths, err
}

// syncFolder makes the new names survive a power cut, where the system can do that.
func syncFolder(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync() // Windows can't
		_ = f.Close()
	}
}
