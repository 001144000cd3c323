package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/term"

	"relabel/internal/report"
)

// lineEvery is how often a line is printed where there is no terminal.
const lineEvery = 10 * time.Second

// progress is how far something is, ready to be shown.
type progress struct {
	label       string // batch 7
	done, total int64
	rate        float64 // calls a second, now
	rateLimited int64
	details     []string // why nothing is sent, the lane, the estimated end
	reading     bool     // done and total are calls that read, and that is all there is to tell
	now         time.Time
}

// rows is "60 of 600 rows done".
func (p progress) rows() string {
	return fmt.Sprintf("%s of %s %s done", report.Number(p.done), report.Number(p.total), p.unit())
}

func (p progress) unit() string {
	if p.reading {
		return "calls"
	}
	return "rows"
}

// pace is how it goes, below the bar or after the rows.
func (p progress) pace() []string {
	if p.reading {
		return nil
	}
	return append([]string{fmt.Sprintf("%.1f calls/s", p.rate), report.Number(p.rateLimited) + " answered 429"}, p.details...)
}

func (p progress) line() string {
	return p.label + ": " + strings.Join(append([]string{p.rows()}, p.pace()...), ", ")
}

// reporter shows progress: a bar on a terminal, lines elsewhere, nothing when
// quiet.
type reporter interface {
	show(p progress)
	end()
}

func (a *app) newReporter() reporter {
	f, ok := isFile(a.screen.raw)
	switch {
	case a.quiet:
		return noReporter{}
	case ok && term.IsTerminal(int(f.Fd())):
		return &barReporter{screen: a.screen, w: f}
	}
	return &lineReporter{w: a.Err}
}

type noReporter struct{}

func (noReporter) show(progress) {}
func (noReporter) end()          {}

// lineReporter prints a plain line every ten seconds.
type lineReporter struct {
	w    io.Writer
	last time.Time
	done int64
}

func (r *lineReporter) show(p progress) {
	idle := p.done == p.total && p.done == r.done // a worker without work is silent
	if p.now.Sub(r.last) < lineEvery || idle {
		return
	}
	r.last, r.done = p.now, p.done
	fmt.Fprintln(r.w, p.line())
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
