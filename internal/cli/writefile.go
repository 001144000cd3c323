package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile writes a whole file or none: it writes a file beside it, and then
// renames that. A device or pipe (/dev/null) is written to directly.
//
// A new file is readable by its owner alone, since names of unpublished assets
// may be secret. An existing one keeps its mode.
func writeFile(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	real, err := writable(path)
	if err == nil {
		n, err = replaceFile(real, write)
	}
	if err != nil {
		return 0, fmt.Errorf("error writing %s: %w", path, pathless(err))
	}
	return n, nil
}

// writeFile is the function of that name; it shows that it writes if that takes long.
func (a *app) writeFile(ctx context.Context, path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	err = a.during(ctx, "writing "+path, func() error {
		n, err = writeFile(path, write)
		return err
	})
	return n, err
}

// writable returns the file behind a path, or refuses it: in a folder such as
// /tmp another user may have put a link or a file where ours should be.
func writable(path string) (string, error) {
	if err := checkShared(path); err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, checkShared(real)
	}
	return path, nil // there is none yet; if it can't be reached, opening it says why
}

// checkShared looks at existing files only: a new one is made under a name that
// nobody can guess.
func checkShared(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || !isShared(dir):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("it is a symlink in %s, where other users may write: name the file it leads to, or another folder", dir)
	case isForeign(info):
		return fmt.Errorf("it belongs to another user and is in %s, where other users may write: name another file or folder", dir)
	}
	return nil
}

func replaceFile(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	old, statErr := os.Stat(path)
	if statErr == nil && !old.Mode().IsRegular() {
		return writeInto(path, write)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // mode 0600
	if err != nil {
		return 0, err
	}
	n, err = write(f)
	if err == nil && statErr == nil {
		err = f.Chmod(old.Mode().Perm())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return n, err
}

// writeInto writes to what is no regular file.
func writeInto(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	n, err = write(f)
	return n, errors.Join(err, f.Close())
}

// pathless removes the path from an error whose message has it already.
func pathless(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
