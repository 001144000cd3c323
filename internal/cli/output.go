package cli

import (
	"errors"
	"fmt"
	"io"
	"syscall"
	"unicode/utf8"

	"relabel/internal/text"
)

// errReaderGone reports that the reader of standard output has closed it (| head).
var errReaderGone = errors.New("standard output is closed")

// output is standard output. It keeps the first error of writing to it. What goes to a
// terminal comes from rows and from the API, and must not control the terminal: it is
// escaped.
type output struct {
	io.Writer
	terminal bool
	part     []byte // of a character that was split between two writes to a terminal
	err      error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	shown := b
	if o.terminal {
		shown = o.escape(b)
	}
	_, err := o.Writer.Write(shown)
	switch {
	case err == nil:
		return len(b), nil
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		err = errReaderGone
	default:
		err = fmt.Errorf("error writing to standard output: %w", err)
	}
	if o.err == nil {
		o.err = err
	}
	return 0, err
}

func (o *output) escape(b []byte) []byte {
	b = append(o.part, b...)
	whole := len(b)
	for i := max(0, whole-utf8.UTFMax+1); i < len(b); i++ {
		if utf8.RuneStart(b[i]) && !utf8.FullRune(b[i:]) {
			whole = i
			break
		}
	}
	o.part = append([]byte(nil), b[whole:]...)
	return []byte(text.Escape(string(b[:whole]), "\n\t"))
}
