package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeFile writes a whole file or none: it writes a file beside it, and then
// renames that. A device or pipe (/dev/null) is written to directly.
func writeFile(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // else the link would be replaced, not the file it points to
	}
	part := fmt.Sprintf("%s.%d.part", path, os.Getpid())
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		part, flags = path, os.O_WRONLY
	}
	f, err := os.OpenFile(part, flags, 0o666) //nolint:gosec // the user names the file, and the umask its mode
	if err != nil {
		return 0, fmt.Errorf("error writing %s: %w", path, pathless(err))
	}
	n, err = write(f)
	if err = errors.Join(err, f.Close()); err == nil && part != path {
		err = os.Rename(part, path)
	}
	if err != nil {
		if part != path {
			_ = os.Remove(part)
		}
		return 0, fmt.Errorf("error writing %s: %w", path, pathless(err))
	}
	return n, nil
}

// pathless removes the path from an error whose message has it already.
func pathless(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
