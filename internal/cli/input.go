package cli

import (
	"context"
	"io"
)

// input is standard input that a signal can interrupt. Nothing can end a blocked read
// of a terminal or pipe, so a goroutine reads, and may outlive the input.
type input struct {
	ctx    context.Context //nolint:containedctx // io.Reader has no place for it
	chunks chan chunk
	rest   []byte
	err    error
}

type chunk struct {
	data []byte
	err  error
}

// inputChunk is the capacity of a pipe.
const inputChunk = 64 << 10

func newInput(ctx context.Context, r io.Reader) *input {
	in := &input{ctx: ctx, chunks: make(chan chunk)}
	go func() {
		for {
			buf := make([]byte, inputChunk)
			n, err := r.Read(buf)
			select {
			case in.chunks <- chunk{buf[:n], err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return in
}

// Read implements io.Reader.
func (in *input) Read(b []byte) (int, error) {
	for len(in.rest) == 0 && in.err == nil {
		select {
		case c := <-in.chunks:
			in.rest, in.err = c.data, c.err
		case <-in.ctx.Done():
			in.err = in.ctx.Err()
		}
	}
	if len(in.rest) == 0 {
		return 0, in.err
	}
	n := copy(b, in.rest)
	in.rest = in.rest[n:]
	return n, nil
}
