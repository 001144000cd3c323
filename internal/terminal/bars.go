package terminal

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

const (
	// barWidth keeps bars readable on a wide terminal.
	barWidth = 80

	// minBar is the shortest bar, with its brackets. Names are cut to leave room for it.
	minBar = 12

	percentWidth = 6 // " 100 %"; the space around the bar is as wide

	// maxDetailLines is the room for details below a bar: two lines at 40 columns,
	// and one more for a long reason.
	maxDetailLines = 3

	// maxBelowLines is the room for each text below all bars.
	maxBelowLines = 3
)

// barView draws a bar for each Progress, with its details below:
//
//	batch 7 names.csv  180/600 rows [===========>-------------------]  30 %
//	30.0 calls/s, 0 answered 429, 60 of 60 calls in 2 s, ends 22:18:18 (in 14 s)
//	lately 3 × HTTP 404 resource_not_found: … (line 12, asset 63f1…)
type barView struct {
	screen  *Screen
	console *console
	drawn   *mpb.Progress // nil before the first frame
	bars    map[string]*bar

	mu sync.Mutex // mpb draws in its own goroutine
}

// bar draws one Progress.
type bar struct {
	*mpb.Bar
	v *barView

	// What the next drawing shows; guarded by v.mu.
	next  Progress
	below []string // only below the last bar

	// What is being drawn. mpb asks for it piece by piece, the title first.
	p     Progress
	lines []string
}

func newBarView(s *Screen, f *os.File) *barView {
	return &barView{screen: s, console: &console{file: f}, bars: map[string]*bar{}}
}

// Show implements View.
func (v *barView) Show(f Frame) {
	if v.drawn == nil {
		v.drawn = mpb.New(mpb.WithConsoleWriter(v.console), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth))
		v.screen.startBars(v.drawn)
	}
	f = f.escaped().cut(v.console.size())
	for label, b := range v.bars {
		if !slices.ContainsFunc(f.Bars, func(p Progress) bool { return p.Label == label }) {
			b.Abort(true)
			delete(v.bars, label)
		}
	}
	for i, p := range f.Bars {
		var below []string
		if i == len(f.Bars)-1 {
			below = f.Below
		}
		v.showBar(i, p, below)
	}
}

// showBar draws one bar at a position. Its total is never final for mpb, which would
// end the bar there: a worker can still get more rows.
func (v *barView) showBar(i int, p Progress, below []string) {
	b, ok := v.bars[p.Label]
	if !ok {
		b = &bar{v: v}
	}
	v.mu.Lock()
	b.next, b.below = p, below
	v.mu.Unlock()
	if !ok {
		b.start(i)
		v.bars[p.Label] = b
	}
	b.SetPriority(i)
	b.SetTotal(p.Total, false)
	b.SetCurrent(p.Done)
}

func (b *bar) start(priority int) {
	lines := make([]mpb.BarFiller, maxDetailLines+maxBelow*maxBelowLines)
	for i := range lines {
		lines[i] = mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error { return b.writeLine(w, i) })
	}
	b.Bar = b.v.drawn.New(0, mpb.BarStyle(), mpb.BarPriority(priority),
		mpb.PrependDecorators(decor.Any(b.title, decor.WCSyncSpaceR), decor.Any(b.counts, decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(b.percent)), mpb.BarBtmExtender(lines...))
}

// title is the first piece of a drawing. It takes over what the others show, so that
// all pieces are of the same moment.
func (b *bar) title(s decor.Statistics) string {
	b.v.mu.Lock()
	b.p, b.lines = b.next, append(b.next.detailLines(s.AvailableWidth), wrapBelow(b.below, s.AvailableWidth)...)
	b.v.mu.Unlock()
	return b.p.title(s.AvailableWidth - len(b.p.counts()) - minBar - 2*percentWidth)
}

func (b *bar) counts(decor.Statistics) string { return b.p.counts() }

func (b *bar) percent(decor.Statistics) string {
	if b.p.Total == 0 {
		return ""
	}
	return fmt.Sprintf("%3d %%", 100*b.p.Done/b.p.Total)
}

func (b *bar) writeLine(w io.Writer, i int) error {
	if i >= len(b.lines) {
		return nil
	}
	_, err := fmt.Fprintln(w, b.lines[i])
	return err
}

// Close leaves the last bars on the terminal.
func (v *barView) Close() {
	if v.drawn == nil {
		return
	}
	v.screen.stopBars(func() {
		for _, b := range v.bars {
			b.Abort(false)
		}
		v.drawn.Wait()
	})
}
