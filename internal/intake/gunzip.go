package intake

import (
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

const (
	// bombSize is what any .gz may unpack to: it costs a second at most.
	bombSize = 64 << 20
	// bombRatio is about ten times what real rows reach (15 or 20 with sequential ids and numbered names), and a fifth of
	// what repeated bytes reach (1,000). There is no limit of size: a larger file takes no more memory.
	bombRatio = 200
)

// counter counts the bytes read through it.
type counter struct {
	src io.Reader
	n   int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.src.Read(p)
	c.n += int64(n)
	return n, err
}

// gunzip unpacks a .gz, refusing one that is cut, damaged or a bomb.
type gunzip struct {
	src      io.Reader
	packed   *counter
	unpacked int64
}

func (g *gunzip) Read(p []byte) (int, error) {
	n, err := g.src.Read(p)
	g.unpacked += int64(n)
	if g.unpacked > bombSize && g.unpacked/bombRatio > g.packed.n {
		return 0, fmt.Errorf("unpacks to more than %d times its size, as no file of real rows does: unpack it yourself and look at it", bombRatio)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = gzipError(err)
	}
	return n, err
}

func gzipError(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return errors.New("the .gz ends early: it was cut, copy or download it again")
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return fmt.Errorf("the .gz is damaged, copy or download it again: %w", err)
	}
	return err
}
