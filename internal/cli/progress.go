package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"relabel/internal/text"
)

// lineEvery is how often lines are printed where there is no terminal.
const lineEvery = 10 * time.Second

// progress is how far one thing is, ready to be shown: a batch, the work at a
// site, a reading.
type progress struct {
	label       string // batch 7
	name        string // of the batch
	done, total int64
	unit        string   // rows or calls
	details     []string // calls a second, 429s, why nothing is sent, the estimated end
	indent      string   // of the details below the bar
}

// picture is all that is shown at a moment.
type picture struct {
	now   time.Time
	bars  []progress
	below []string // what is of them all, each a text: sites' limits, the last errors
}

// title is "batch 7 spring names", with no more of the name than a number of
// columns holds.
func (p progress) title(columns int) string {
	room := columns - len(p.label) - len(" ")
	if p.name == "" || room < shortestName {
		return p.label
	}
	return p.label + " " + fit(p.name, room)
}

// counts is "180/600 rows".
func (p progress) counts() string {
	return text.Number(p.done) + "/" + text.Number(p.total) + " " + p.unit
}

// line is all of it in one line.
func (p progress) line() string {
	rows := fmt.Sprintf("%s of %s %s done", text.Number(p.done), text.Number(p.total), p.unit)
	return p.title(lineName) + ": " + strings.Join(append([]string{rows}, p.details...), ", ")
}

// reporter shows progress: bars on a terminal, lines elsewhere, nothing when
// quiet.
type reporter interface {
	show(p picture)
	end()
}

func (a *app) newReporter() reporter {
	f, ok := isFile(a.screen.raw)
	switch {
	case a.quiet:
		return noReporter{}
	case ok && term.IsTerminal(int(f.Fd())) && a.canDraw(f):
		return newBarReporter(a.screen, f)
	}
	return &lineReporter{w: a.Err, done: map[string]int64{}}
}

// canDraw tells whether a terminal's cursor can be moved.
func (a *app) canDraw(f fder) bool {
	name, _ := a.LookupEnv("TERM")
	return name != "dumb" && enableDrawing(f) == nil
}

type noReporter struct{}

func (noReporter) show(picture) {}
func (noReporter) end()         {}

// lineReporter prints plain lines every ten seconds.
type lineReporter struct {
	w     io.Writer
	last  time.Time
	done  map[string]int64 // by label
	below []string
}

func (r *lineReporter) show(p picture) {
	if p.now.Sub(r.last) < lineEvery {
		return
	}
	r.last = p.now
	for _, b := range p.bars {
		if b.done == b.total && b.done == r.done[b.label] { // a worker without work is silent
			continue
		}
		r.done[b.label] = b.done
		fmt.Fprintln(r.w, b.line())
	}
	for _, line := range p.below {
		if !slices.Contains(r.below, line) {
			fmt.Fprintln(r.w, line)
		}
	}
	r.below = p.below
}

func (r *lineReporter) end() {}

const (
	// "Calls a second now" is measured over a window of the limit, so that a
	// burst at its beginning does not look like its pace, but within these
	// bounds: long enough to smooth, short enough to be now.
	minRateOver = 10 * time.Second
	maxRateOver = time.Minute
)

// rateMeter measures calls a second.
type rateMeter struct {
	at    []time.Time
	calls []int64
}

func (m *rateMeter) add(now time.Time, calls int64, window time.Duration) float64 {
	over := min(max(window, minRateOver), maxRateOver)
	m.at, m.calls = append(m.at, now), append(m.calls, calls)
	for len(m.at) > 2 && now.Sub(m.at[0]) > over {
		m.at, m.calls = m.at[1:], m.calls[1:]
	}
	d := now.Sub(m.at[0])
	if d <= 0 {
		return 0
	}
	return float64(calls-m.calls[0]) / d.Seconds()
}

func ratePerSecond(rate float64) string { return fmt.Sprintf("%.1f calls/s", rate) }

func answered429(n int64) string { return text.Number(n) + " answered 429" }
