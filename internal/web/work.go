package web

import (
	"context"
	"sync"

	"github.com/sourcegraph/conc"
)

// work is what goes on after its request was answered: reading a site for a
// plan. It ends with the server; a reading that is cut short is begun again by a
// person.
type work struct {
	ctx     context.Context //nolint:containedctx // of the server's life, not of a request
	cancel  context.CancelFunc
	running conc.WaitGroup

	mu       sync.Mutex
	readings map[int64]reading // by batch
}

// reading is how far the reading of a site is.
type reading struct {
	Calls, Total int
	Problem      string // it has ended, without success
}

// maxReadings bounds what is remembered of readings that failed.
const maxReadings = 1000

func newWork() *work {
	w := &work{readings: map[int64]reading{}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// run ends what goes on when ctx ends, and waits for it.
func (w *work) run(ctx context.Context) {
	<-ctx.Done()
	w.cancel()
	w.running.Wait()
}

// with is a context that a request's end does not end, as a person who leaves a
// page does not mean to stop what it has begun; the server's end does.
func (w *work) with(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(w.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// reading gives a copy, or nil when none goes on and none has failed.
func (w *work) reading(batch int64) *reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.readings[batch]
	if !ok {
		return nil
	}
	return &r
}

// start runs the reading of a batch's site; false: one is going on, or the
// server stops.
func (w *work) start(batch int64, read func(ctx context.Context, progress func(calls, total int)) error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r, ok := w.readings[batch]; ok && r.Problem == "" || w.ctx.Err() != nil {
		return false
	}
	if len(w.readings) >= maxReadings {
		clear(w.readings)
	}
	w.readings[batch] = reading{}
	w.running.Go(func() {
		err := read(w.ctx, func(calls, total int) { w.set(batch, reading{Calls: calls, Total: total}) })
		w.end(batch, err)
	})
	return true
}

func (w *work) set(batch int64, r reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.readings[batch] = r
}

func (w *work) end(batch int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.readings, batch)
	if err != nil && w.ctx.Err() == nil {
		w.readings[batch] = reading{Problem: err.Error()}
	}
}
