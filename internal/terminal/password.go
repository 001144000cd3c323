package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/term"
)

// ReadPassword asks on out and reads a line from the terminal in, which does not show what
// is typed, not even what comes right after the question. Ctrl-C and the end of ctx give
// context.Canceled.
func ReadPassword(ctx context.Context, in io.Reader, out io.Writer, question string) (string, error) {
	f, ok := file(in)
	if !ok {
		return "", errors.New("a password can only be typed on a terminal")
	}
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("error asking for a password: %w", err)
	}
	defer term.Restore(int(f.Fd()), before) //nolint:errcheck // nothing can be done about it
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1) // nothing can end a blocked read of a terminal
	go func() {
		line, err := term.NewTerminal(readWriter{f, out}, "").ReadPassword(question)
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		if errors.Is(a.err, io.EOF) { // Ctrl-C or Ctrl-D
			a.err = context.Canceled
		}
		return a.line, a.err
	case <-ctx.Done():
		return "", context.Canceled
	}
}

type readWriter struct {
	io.Reader
	io.Writer
}
