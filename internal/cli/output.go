package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/vbauerster/mpb/v8"
)

// errReaderGone says that whoever read standard output has seen enough.
var errReaderGone = errors.New("standard output is closed")

// output is standard output. It keeps the first error of writing to it.
type output struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		err = errReaderGone
	default:
		err = fmt.Errorf("error writing to standard output: %w", err)
	}
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// screen is standard error, which notes, log lines and the progress bar share:
// while a bar is drawn, lines go above it.
type screen struct {
	raw io.Writer

	mu  sync.Mutex
	bar *mpb.Progress // nil: none is drawn
}

// Write implements io.Writer.
func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bar != nil {
		if n, err := s.bar.Write(b); err == nil {
			return n, nil
		}
	}
	return s.raw.Write(b)
}

// draw gives the screen to a bar.
func (s *screen) draw(bar *mpb.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bar = bar
}

// ended takes the screen back once end has removed the bar. Lines wait for it:
// the bar would take them and print them no more.
func (s *screen) ended(end func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end()
	s.bar = nil
}

// writeFile makes the file whole or not at all: it is written beside its place
// and then moved there. What is no file (/dev/null, a named pipe) is written to
// as it is.
func writeFile(path string, write func(io.Writer) (int64, error)) (n int64, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // or the link would be replaced, not its file
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

// pathless takes off a path that the message has already.
func pathless(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
