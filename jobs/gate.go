package jobs

import (
	"context"
	"sync"
)

// gate stops the calls of a site in this process at once, without the database: while
// the refusal of its token is being written, and while other processes work the site
// with another token. Waiting at the gate holds no connection.
type gate struct {
	mu      sync.Mutex
	closed  int           // how many refusals hold it closed
	left    bool          // the site is left to other processes
	changed chan struct{} // closed and replaced at each change

	stopping chan struct{}
	stopOnce sync.Once
}

func newGate() *gate { return &gate{changed: make(chan struct{}), stopping: make(chan struct{})} }

func (g *gate) close() { g.change(func() { g.closed++ }) }

func (g *gate) open() { g.change(func() { g.closed-- }) }

// leave and comeBack begin and end the time in which other processes work the site alone.
func (g *gate) leave() { g.change(func() { g.left = true }) }

func (g *gate) comeBack() { g.change(func() { g.left = false }) }

func (g *gate) change(fn func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fn()
	close(g.changed)
	g.changed = make(chan struct{})
}

// stop ends all waiting: the process shuts down.
func (g *gate) stop() { g.stopOnce.Do(func() { close(g.stopping) }) }

// isOpen reports whether a call may be made now.
func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed == 0 && !g.left
}

// wait waits for the gate to open, and reports whether it did. It gives up if the
// process stops or has left the site, or if ctx ends.
func (g *gate) wait(ctx context.Context) bool {
	for {
		g.mu.Lock()
		closed, left, changed := g.closed, g.left, g.changed
		g.mu.Unlock()
		if closed == 0 || left {
			return !left
		}
		select {
		case <-changed:
		case <-g.stopping:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// until returns a context that also ends when the process stops.
func (g *gate) until(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		select {
		case <-g.stopping:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
