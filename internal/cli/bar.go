package cli

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

	// shortestBar, its ends included, is what names are cut for.
	shortestBar = 12

	// shortestName is the least of a name that tells anything.
	shortestName = 6

	// lineName is what a line shows of a label with its name, columns.
	lineName = 60

	percentWidth = 6 // " 100 %", and as much is around the bar

	// detailLines is room below a bar for how it goes: at 40 columns two lines,
	// and one more for a long reason. More is cut; `status BATCH` tells all.
	detailLines = 3

	// belowLines is room for each text that is of all bars.
	belowLines = 3
)

// barReporter draws a bar for each batch with rows and percent, and below it how
// it goes:
//
//	batch 7 names.csv  180/600 rows [===========>-------------------]  30 %
//	30.0 calls/s, 0 answered 429, 60 of 60 calls in 2 s, ends 22:18:18 (in 14 s)
//	lately 3 × HTTP 404 resource_not_found: … (line 12, asset 63f1…)
type barReporter struct {
	screen  *screen
	console *console
	drawn   *mpb.Progress // nil before the first picture
	bars    map[string]*bar

	mu sync.Mutex // bars draw themselves when they like
}

// bar is one that is drawn.
type bar struct {
	*mpb.Bar
	r *barReporter

	// Guarded by r.mu.
	next  progress
	below []string // of the last bar

	// Of the frame that is drawn, which mpb does piece by piece from the title on.
	p     progress
	lines []string
}

func newBarReporter(s *screen, w *os.File) *barReporter {
	return &barReporter{screen: s, console: &console{file: w}, bars: map[string]*bar{}}
}

func (r *barReporter) show(p picture) {
	if r.drawn == nil {
		r.drawn = mpb.New(mpb.WithConsoleWriter(r.console), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth))
		r.screen.draw(r.drawn)
	}
	p = p.cut(r.console.size())
	for label, b := range r.bars {
		if !slices.ContainsFunc(p.bars, func(p progress) bool { return p.label == label }) {
			b.Abort(true)
			delete(r.bars, label)
		}
	}
	for i, one := range p.bars {
		var below []string
		if i == len(p.bars)-1 {
			below = p.below
		}
		r.showBar(i, one, below)
	}
}

// showBar gives a bar no total of its own: it would end itself there, and work
// that goes on gets more rows.
func (r *barReporter) showBar(i int, p progress, below []string) {
	b, ok := r.bars[p.label]
	if !ok {
		b = &bar{r: r}
	}
	r.mu.Lock()
	b.next, b.below = p, below
	r.mu.Unlock()
	if !ok {
		b.start(i)
		r.bars[p.label] = b
	}
	b.SetPriority(i)
	b.SetTotal(p.total, false)
	b.SetCurrent(p.done)
}

func (b *bar) start(priority int) {
	lines := make([]mpb.BarFiller, detailLines+maxBelow*belowLines)
	for i := range lines {
		lines[i] = mpb.BarFillerFunc(func(w io.Writer, _ decor.Statistics) error { return b.writeLine(w, i) })
	}
	b.Bar = b.r.drawn.New(0, mpb.BarStyle(), mpb.BarPriority(priority),
		mpb.PrependDecorators(decor.Any(b.title, decor.WCSyncSpaceR), decor.Any(b.counts, decor.WCSyncSpace)),
		mpb.AppendDecorators(decor.Any(b.percent)), mpb.BarBtmExtender(lines...))
}

// title begins a frame: all its pieces tell of one moment.
func (b *bar) title(s decor.Statistics) string {
	b.r.mu.Lock()
	b.p, b.lines = b.next, append(b.next.text(s.AvailableWidth), textBelow(b.below, s.AvailableWidth)...)
	b.r.mu.Unlock()
	return b.p.title(s.AvailableWidth - len(b.p.counts()) - shortestBar - 2*percentWidth)
}

func (b *bar) counts(decor.Statistics) string { return b.p.counts() }

func (b *bar) percent(decor.Statistics) string {
	if b.p.total == 0 {
		return ""
	}
	return fmt.Sprintf("%3d %%", 100*b.p.done/b.p.total)
}

func (b *bar) writeLine(w io.Writer, i int) error {
	if i >= len(b.lines) {
		return nil
	}
	_, err := fmt.Fprintln(w, b.lines[i])
	return err
}

// end leaves the bars as they were last.
func (r *barReporter) end() {
	if r.drawn == nil {
		return
	}
	r.screen.ended(func() {
		for _, b := range r.bars {
			b.Abort(false)
		}
		r.drawn.Wait()
	})
}
