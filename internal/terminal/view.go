package terminal

import (
	"fmt"
	"slices"
	"time"
)

// lineEvery is how often a view without bars prints lines.
const lineEvery = 10 * time.Second

// View shows progress until it is closed: bars on a terminal, lines elsewhere,
// nothing if quiet.
type View interface {
	Show(f Frame)
	Close()
}

// ViewConfig says how to show progress.
type ViewConfig struct {
	Screen *Screen
	Quiet  bool
	Dumb   bool // the terminal can't move its cursor (TERM=dumb)
}

// NewView makes the view that fits the screen.
func NewView(cfg ViewConfig) View {
	if cfg.Quiet {
		return quietView{}
	}
	if f, ok := file(cfg.Screen.Raw); ok && !cfg.Dumb && enableDrawing(f) == nil {
		return newBarView(cfg.Screen, f)
	}
	return &lineView{screen: cfg.Screen, done: map[string]int64{}}
}

type quietView struct{}

func (quietView) Show(Frame) {}
func (quietView) Close()     {}

// lineView prints plain lines every ten seconds.
type lineView struct {
	screen *Screen
	last   time.Time
	done   map[string]int64 // by label
	below  []string
}

// Show implements View.
func (v *lineView) Show(f Frame) {
	if f.At.Sub(v.last) < lineEvery {
		return
	}
	v.last, f = f.At, f.escaped()
	for _, b := range f.Bars {
		if b.Unit != "" && b.Done == b.Total && b.Done == v.done[b.Label] { // a worker without work is silent
			continue
		}
		v.done[b.Label] = b.Done
		fmt.Fprintln(v.screen, b.line())
	}
	for _, line := range f.Below {
		if !slices.Contains(v.below, line) {
			fmt.Fprintln(v.screen, line)
		}
	}
	v.below = f.Below
}

// Close implements View.
func (v *lineView) Close() {}
