package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/mattn/go-runewidth"
	"github.com/vbauerster/cupwriter"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"relabel/internal/report"
)

const (
	// barWidth keeps the bar readable on a wide terminal.
	barWidth = 80

	// paceLines is room below the bar for how it goes, and for what runs beside it:
	// more is cut. (status lists all.)
	paceLines = 6
)

// barReporter draws a bar with rows and percent, and below it how it goes:
//
//	batch 7  180/600 rows  [===========>-------------------------------]  30 %
//	30.0 calls/s, 0 answered 429, 60 of 60 calls in 2 s, ends 22:18:18 (in 14 s)
type barReporter struct {
	screen *screen
	w      *os.File
	drawn  *mpb.Progress
	bar    *mpb.Bar

	mu sync.Mutex // the bar draws itself when it likes
	p  progress
}

func (r *barReporter) show(p progress) {
	r.mu.Lock()
	r.p = p
	r.mu.Unlock()
	if r.bar == nil {
		r.start()
	}
	r.bar.SetTotal(p.total, false)
	r.bar.SetCurrent(p.done)
}

// start gives the bar no total of its own: it would end itself there, and work
// that goes on gets more rows.
func (r *barReporter) start() {
	console := cupwriter.New(lineStart{r.w}, false)
	console.SetTermFd(int(r.w.Fd()))
	r.drawn = mpb.New(mpb.WithConsoleWriter(console), mpb.WithAutoRefresh(), mpb.WithWidth(barWidth))
	below := make([]mpb.BarFiller, paceLines)
	for i := range below {
		below[i] = mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error { return r.paceLine(w, i, s.AvailableWidth) })
	}
	r.bar = r.drawn.New(0, mpb.BarStyle(), mpb.PrependDecorators(decor.Any(r.left)),
		mpb.AppendDecorators(decor.Any(r.right)), mpb.BarBtmExtender(below...))
	r.screen.draw(r.drawn)
}

func (r *barReporter) left(decor.Statistics) string {
	p := r.now()
	return fmt.Sprintf("%s  %s/%s %s", p.label, report.Number(p.done), report.Number(p.total), p.unit())
}

func (r *barReporter) right(decor.Statistics) string {
	p := r.now()
	if p.total == 0 {
		return ""
	}
	return fmt.Sprintf(" %d %%", 100*p.done/p.total)
}

func (r *barReporter) paceLine(w io.Writer, i, width int) error {
	lines := wrap(r.now().pace(), width, paceLines)
	if i >= len(lines) {
		return nil
	}
	_, err := fmt.Fprintln(w, lines[i])
	return err
}

func (r *barReporter) now() progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.p
}

// end leaves the bar as it was last.
func (r *barReporter) end() {
	if r.bar == nil {
		return
	}
	r.screen.ended(func() {
		r.bar.Abort(false)
		r.drawn.Wait()
	})
}

// lineStart begins each drawing at the left edge: the terminal itself may have
// written there, such as ^C.
type lineStart struct{ io.Writer }

// Write implements io.Writer.
func (l lineStart) Write(b []byte) (int, error) {
	n, err := l.Writer.Write(append([]byte{'\r'}, b...))
	return max(n-1, 0), err
}

// wrap lays items out in lines of a width, commas between them, and breaks
// between items where it can, else between words. What does not fit is cut.
func wrap(items []string, width, limit int) []string {
	var lines []string
	for i, item := range items {
		if i < len(items)-1 {
			item += ","
		}
		if n := len(lines) - 1; n >= 0 && runewidth.StringWidth(lines[n]+" "+item) <= width {
			lines[n] += " " + item
			continue
		}
		lines = append(lines, wrapWords(item, width)...)
	}
	if len(lines) > limit {
		lines = lines[:limit]
		lines[limit-1] = runewidth.Truncate(lines[limit-1]+" …", width, "…")
	}
	return lines
}

func wrapWords(text string, width int) (lines []string) {
	for _, word := range strings.Fields(text) {
		word = runewidth.Truncate(word, width, "…")
		if n := len(lines) - 1; n >= 0 && runewidth.StringWidth(lines[n]+" "+word) <= width {
			lines[n] += " " + word
			continue
		}
		lines = append(lines, word)
	}
	return lines
}
