package intake

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/sourcegraph/conc"
)

// Chunks yields the rows in input order, a chunk of up to a thousand at a time, valid and refused ones alike. An error comes last
// and ends the reading; it means that nothing of the file should be kept. Chunks can be gone through once.
//
// Reading happens in the goroutine of the caller, which may therefore be kept waiting by a slow source, and stopping
// early leaves nothing behind that reads on. Only validation runs in goroutines, a few chunks ahead; all of them have ended when
// the loop has.
func (c *CSV) Chunks(ctx context.Context) iter.Seq2[[]Row, error] {
	return func(yield func([]Row, error) bool) {
		if c.started {
			yield(nil, c.named(errors.New("was already read: open it again")))
			return
		}
		c.started = true
		p := pipeline{csv: c, ahead: c.params.Workers + 1}
		defer p.owner.Wait()
		if err := p.run(ctx, yield); err != nil {
			yield(nil, c.named(err))
		}
	}
}

// pipeline is one pass over a CSV.
type pipeline struct {
	csv     *CSV
	owner   conc.WaitGroup // of the validating goroutines; passes on their panics
	ahead   int            // chunks in memory beside the one being consumed
	queue   []chan []Row   // answers to come, in input order
	readErr error
	rows    int64
}

// run returns the error to end with, nil also when the consumer wants no more.
func (p *pipeline) run(ctx context.Context, yield func([]Row, error) bool) error {
	for {
		p.readAhead(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if len(p.queue) == 0 {
			return p.ending()
		}
		rows, ok := <-p.queue[0]
		if !ok {
			return nil // validation panicked; owner.Wait passes it on
		}
		p.queue = p.queue[1:]
		p.rows += int64(len(rows))
		if len(rows) > 0 && !yield(rows, nil) {
			return nil
		}
	}
}

func (p *pipeline) readAhead(ctx context.Context) {
	for p.readErr == nil && len(p.queue) < p.ahead && ctx.Err() == nil {
		var ch chunk
		if ch, p.readErr = p.csv.readChunk(); len(ch.records) == 0 {
			continue
		}
		answer := make(chan []Row, 1)
		p.queue = append(p.queue, answer)
		p.owner.Go(func() {
			defer close(answer)
			answer <- ch.rows(p.csv)
		})
	}
}

func (p *pipeline) ending() error {
	switch {
	case !errors.Is(p.readErr, io.EOF):
		return p.readErr
	case p.rows == 0:
		return ErrNoRows
	}
	return nil
}
