package terminal

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/term"
)

// ReadPassword asks on out and reads a line from the terminal in, which does not show it.
// When ctx ends, it returns and the terminal shows again what is typed.
func ReadPassword(ctx context.Context, in io.Reader, out io.Writer, question string) (string, error) {
	f, ok := file(in)
	if !ok {
		return "", errors.New("a password can only be typed on a terminal")
	}
	before, err := term.GetState(int(f.Fd()))
	if err != nil {
		return "", fmt.Errorf("error asking for a password: %w", err)
	}
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1) // nothing can end a blocked read of a terminal
	fmt.Fprint(out, question)
	go func() {
		line, err := term.ReadPassword(int(f.Fd()))
		got <- answer{line, err}
	}()
	defer fmt.Fprintln(out)
	select {
	case a := <-got:
		if a.err != nil {
			return "", fmt.Errorf("error reading the password: %w", a.err)
		}
		return string(a.line), nil
	case <-ctx.Done():
		_ = term.Restore(int(f.Fd()), before)
		return "", fmt.Errorf("error reading the password: %w", ctx.Err())
	}
}
