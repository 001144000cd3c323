package web

import (
	"context"
	"sync"

	"github.com/sourcegraph/conc"
)

// background owns the work that goes on after its request was answered: reading
// a site to compare it with a plan. It ends with the server; a person starts a
// reading again that was cut short.
type background struct {
	ctx     context.Context //nolint:containedctx // of the server's life, not of a request
	cancel  context.CancelFunc
	running conc.WaitGroup

	mu       sync.Mutex
	readings map[int64]reading // by batch
}

// reading is the progress of reading a site.
type reading struct {
	Calls, Total int
	Problem      string // set when the reading has failed
}

// maxReadings bounds how many failed readings are remembered.
const maxReadings = 1000

func newBackground() *background {
	b := &background{readings: map[int64]reading{}}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// run waits for ctx, then cancels all readings and waits for their end.
func (b *background) run(ctx context.Context) {
	<-ctx.Done()
	b.cancel()
	b.running.Wait()
}

// with returns a context that outlives its request: a person who leaves a page
// does not mean to stop the action begun there. It ends with the server.
func (b *background) with(ctx context.Context) (context.Context, context.CancelFunc) {
	return until(context.WithoutCancel(ctx), b.ctx)
}

// until returns a context that also ends with another one.
func until(ctx, end context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(end, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// reading returns a copy of a batch's reading, or nil if none is running and none
// has failed.
func (b *background) reading(batch int64) *reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := b.readings[batch]
	if !ok {
		return nil
	}
	return &r
}

// start begins to read the site of a batch. It returns false if a reading of
// the batch is running already, or the server is stopping.
func (b *background) start(batch int64, read func(ctx context.Context, progress func(calls, total int)) error) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, ok := b.readings[batch]; ok && r.Problem == "" || b.ctx.Err() != nil {
		return false
	}
	if len(b.readings) >= maxReadings {
		clear(b.readings)
	}
	b.readings[batch] = reading{}
	b.running.Go(func() {
		err := read(b.ctx, func(calls, total int) { b.set(batch, reading{Calls: calls, Total: total}) })
		b.end(batch, err)
	})
	return true
}

func (b *background) set(batch int64, r reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readings[batch] = r
}

func (b *background) end(batch int64, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.readings, batch)
	if err != nil && b.ctx.Err() == nil {
		b.readings[batch] = reading{Problem: problem(err)}
	}
}
