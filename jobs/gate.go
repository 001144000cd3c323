package jobs

import (
	"context"
	"sync"
)

// gate stops the calls of a site in this process, at once and without the database:
// while a refusal of its token is being written, and while the process leaves the
// site to others, which have a token that is taken. Who waits holds no connection.
type gate struct {
	mu      sync.Mutex
	closed  int           // by so many refusals
	left    bool          // to others
	changed chan struct{} // closed, and made anew, at each change

	stopping chan struct{}
	stopOnce sync.Once
}

func newGate() *gate { return &gate{changed: make(chan struct{}), stopping: make(chan struct{})} }

func (g *gate) close() { g.change(func() { g.closed++ }) }

func (g *gate) open() { g.change(func() { g.closed-- }) }

// leave and comeBack begin and end the time in which others work the site alone.
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

// isOpen tells whether a call may be made now.
func (g *gate) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed == 0 && !g.left
}

// wait tells whether the gate is open. Where it will not be soon (the process stops,
// or has left the site to others) or ctx ends, it is not.
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

// until is ctx until the process stops.
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
