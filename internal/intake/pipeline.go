package intake

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/sourcegraph/conc"
)

const (
	// chunkRows is so large that handing over a chunk costs nothing per row, and so small that a few chunks are a fraction
	// of a MiB.
	chunkRows = 1000
	// chunkBytes limits a chunk of long rows; its last record may exceed it.
	chunkBytes = 256 << 10
)

// Chunks yields the rows in input order, valid and refused ones alike, up to a thousand at a time. An error comes last; it
// means that nothing of the file should be kept. Chunks can be used once.
//
// The caller's goroutine reads, and may have to wait for a slow source. If the caller stops early, nothing goes on reading.
// Only validation runs in goroutines, a few chunks ahead. All of them have ended when the loop ends.
func (c *CSV) Chunks(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		if c.started {
			yield(nil, named(c.params.Name, errors.New("was already read: open it again")))
			return
		}
		c.started = true
		p := pipeline{csv: c}
		defer p.owner.Wait()
		if err := p.run(ctx, yield); err != nil {
			yield(nil, named(c.params.Name, err))
		}
	}
}

// pipeline is one pass over a CSV.
type pipeline struct {
	csv     *CSV
	owner   conc.WaitGroup // of the validating goroutines; passes on their panics
	queue   []chan []Row   // results to come, in input order
	readErr error
	rows    int
}

// run returns the error to end with, or nil at the end of the file and when the consumer wants no more.
func (p *pipeline) run(ctx context.Context, yield func([]Row, error) bool) error {
	for {
		p.readAhead(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case len(p.queue) == 0 && !errors.Is(p.readErr, io.EOF):
			return p.readErr
		case len(p.queue) == 0 && p.rows == 0:
			return ErrNoRows
		case len(p.queue) == 0:
			return nil
		}
		rows, ok := <-p.queue[0]
		if !ok {
			return nil // validation panicked; owner.Wait passes it on
		}
		p.queue = p.queue[1:]
		p.rows += len(rows)
		if len(rows) > 0 && !yield(rows, nil) {
			return nil
		}
	}
}

// readAhead keeps one chunk per worker in work, and one more ready.
func (p *pipeline) readAhead(ctx context.Context) {
	for p.readErr == nil && len(p.queue) <= p.csv.params.workers && ctx.Err() == nil {
		var chunk []record
		if chunk, p.readErr = p.csv.readChunk(); len(chunk) == 0 {
			continue
		}
		result := make(chan []Row, 1)
		p.queue = append(p.queue, result)
		p.owner.Go(func() {
			defer close(result)
			result <- p.csv.validate(chunk)
		})
	}
}

// readChunk collects the next records. With an error it returns the records before it.
func (c *CSV) readChunk() ([]record, error) {
	chunk := make([]record, 0, chunkRows)
	for size := 0; len(chunk) < chunkRows && size < chunkBytes; {
		rec, err := c.records.next()
		if err != nil {
			return chunk, err
		}
		chunk = append(chunk, rec)
		size += len(rec.raw)
	}
	return chunk, nil
}
