package cli

import (
	"context"
	"sync"
	"time"

	"github.com/sourcegraph/conc"

	"relabel/internal/terminal"
	"relabel/internal/text"
)

const (
	// waitQuiet is how long a step may take before it is shown: most are over by then.
	waitQuiet = time.Second

	// waitEvery is how often a step is shown anew: often enough for a count-down.
	waitEvery = 500 * time.Millisecond
)

// step is what a command does at the moment, and a person waits for.
type step struct {
	label       string // "reading the site"
	done, total int64
	unit        string // of done and total; empty: nothing is counted

	// details are read again for each frame: what the step waits for, and its end. nil:
	// the time that it has taken so far.
	details func(context.Context, step) []string
	since   time.Time
}

// wait shows on standard error what a command does while it takes longer than a moment:
// a bar on a terminal, elsewhere a line every ten seconds.
type wait struct {
	view   terminal.View
	cancel context.CancelFunc
	run    conc.WaitGroup

	mu   sync.Mutex
	step step
}

// newWait makes a wait, which shows nothing before its first step. Close it.
func (a *app) newWait(ctx context.Context) *wait {
	ctx, cancel := context.WithCancel(ctx)
	w := &wait{view: a.newView(), cancel: cancel}
	w.run.Go(func() { w.watch(ctx) })
	return w
}

// during shows a step while fn runs.
func (a *app) during(ctx context.Context, label string, fn func() error) error {
	w := a.newWait(ctx)
	defer w.close()
	w.to(step{label: label})
	return fn()
}

// to goes to a step, or shows how far it is. The empty step shows nothing.
func (w *wait) to(s step) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.since = time.Now()
	if w.step.label == s.label {
		s.since = w.step.since
	}
	w.step = s
}

// close returns when nothing is shown any more.
func (w *wait) close() {
	w.cancel()
	w.run.Wait()
}

func (w *wait) watch(ctx context.Context) {
	defer w.view.Close()
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.mu.Lock()
		s := w.step
		w.mu.Unlock()
		if s.label != "" && time.Since(s.since) >= waitQuiet {
			w.show(ctx, s)
		}
	}
}

func (w *wait) show(ctx context.Context, s step) {
	details := []string{"for " + text.Span(time.Since(s.since)) + " so far"}
	if s.details != nil {
		ctx, cancel := context.WithTimeout(ctx, readTime)
		defer cancel()
		details = s.details(ctx, s)
	}
	w.view.Show(terminal.Frame{At: time.Now(), Bars: []terminal.Progress{{
		Label: s.label, Done: s.done, Total: s.total, Unit: s.unit, Details: details,
	}}})
}
