package cli

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// errReaderGone reports that the reader of standard output has closed it (| head).
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
