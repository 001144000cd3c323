package terminal

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"relabel/internal/text"
)

const (
	// maxBelow is how many texts below all bars are shown.
	maxBelow = 6

	// minName is the shortest part of a name that still says something.
	minName = 6

	// lineTitle is the room for label and name in a plain line, in columns.
	lineTitle = 60
)

// Progress is how far one thing is: a batch, the work for a site, a read of a site.
type Progress struct {
	Label       string // "batch 7"
	Name        string // of the batch
	Done, Total int64
	Unit        string   // rows or calls; empty: nothing is counted
	Details     []string // calls a second, 429s, why nothing is sent, the estimated end
	Indent      string   // of the details below the bar
}

// Frame is all that is shown at one moment.
type Frame struct {
	At    time.Time
	Bars  []Progress
	Below []string // texts about all bars: the limits of sites, the latest errors
}

// title is "batch 7 spring names". The name is cut to fit into the columns, or
// omitted.
func (p Progress) title(columns int) string {
	room := columns - len(p.Label) - len(" ")
	if p.Name == "" || room < minName {
		return p.Label
	}
	return p.Label + " " + Fit(p.Name, room)
}

// counts is "180/600 rows".
func (p Progress) counts() string {
	if p.Unit == "" {
		return ""
	}
	return text.Number(p.Done) + "/" + text.Number(p.Total) + " " + p.Unit
}

// line is the progress as one plain line.
func (p Progress) line() string {
	parts := p.Details
	if p.Unit != "" {
		done := fmt.Sprintf("%s of %s %s done", text.Number(p.Done), text.Number(p.Total), p.Unit)
		parts = append([]string{done}, parts...)
	}
	return p.title(lineTitle) + ": " + strings.Join(parts, ", ")
}

// detailLines wraps the details for the lines below the bar.
func (p Progress) detailLines(width int) []string {
	lines := wrap(p.Details, width-len(p.Indent), maxDetailLines)
	for i := range lines {
		lines[i] = p.Indent + lines[i]
	}
	return lines
}

// escaped is the frame without characters that control a terminal or begin another line:
// names, and reasons that come from an API, are foreign text.
func (f Frame) escaped() Frame {
	f.Bars, f.Below = slices.Clone(f.Bars), escapeAll(f.Below)
	for i := range f.Bars {
		b := &f.Bars[i]
		b.Label, b.Name, b.Details = text.Escape(b.Label, ""), text.Escape(b.Name, ""), escapeAll(b.Details)
	}
	return f
}

func escapeAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = text.Escape(s, "")
	}
	return out
}

// cut removes the bars that don't fit on a terminal of this size. A text below
// says how many are missing.
func (f Frame) cut(width, height int) Frame {
	if len(f.Below) > maxBelow-1 {
		f.Below = f.Below[len(f.Below)-(maxBelow-1):]
	}
	room := height - len(wrapBelow(f.Below, width))
	for i, b := range f.Bars {
		room -= 1 + len(b.detailLines(width))
		last := i == len(f.Bars)-1
		if i == 0 || room > 0 || last && room == 0 {
			continue
		}
		more := "and " + text.Plural(int64(len(f.Bars)-i), "more batch", "more batches") + ": relabel status"
		f.Bars, f.Below = f.Bars[:i], append([]string{more}, f.Below...)
		break
	}
	return f
}

func wrapBelow(below []string, width int) (lines []string) {
	for _, line := range below {
		lines = append(lines, wrap([]string{line}, width, maxBelowLines)...)
	}
	return lines
}
