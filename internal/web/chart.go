package web

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

const (
	chartBars  = 60
	shortRun   = 5 * time.Minute // shorter runs are shown in steps of five seconds
	chartWidth = 720
	chartLeft  = 60 // room for the scale
	chartHigh  = 140
)

// chart is a bar chart of calls over time, laid out for SVG.
type chart struct {
	Step  time.Duration
	Bars  []drawnBar
	Lines []line
	Limit *line // nil: no limit
	Scale int64
	Calls int64
	OK    int64
	Wait  int64
	Bad   int64
	Left  int
	From  string
	To    string
}

// drawnBar is one step, stacked from the bottom: succeeded, 429s, the rest.
type drawnBar struct {
	records.Bar
	Label         string
	X, W          float64
	OK, Wait, Bad rect
}

type rect struct{ Y, H float64 }

type line struct {
	Y     float64
	Label string
}

// Title names what one bar shows.
func (c chart) Title() string {
	if c.Step == time.Minute {
		return "Calls a minute"
	}
	return "Calls in steps of " + text.Span(c.Step)
}

// chart reads the last hour of a batch, or a short run in finer steps.
func (s *Server) chart(ctx context.Context, b report.Batch) (chart, error) {
	if b.StartedAt == nil || b.Calls == 0 {
		return chart{}, nil
	}
	to, step := b.Now, time.Minute
	if b.FinishedAt != nil {
		to = *b.FinishedAt
	}
	if to.Sub(*b.StartedAt) < shortRun {
		step = 5 * time.Second
	}
	from := to.Truncate(step).Add(-(chartBars - 1) * step)
	if start := b.StartedAt.Truncate(step); start.After(from) {
		from = start
	}
	bars, err := records.Calls(ctx, s.cfg.DB, b.Batch, from, to, step)
	if err != nil {
		return chart{}, err
	}
	if len(bars) > 0 { // begin with the first call, not with the wait before it
		from = bars[0].At
	}
	return draw(bars, from, to, step, b.Now, limitOf(b.Lane, step)), nil
}

// limitOf is how many calls the limit allows in one step; 0: no limit. A step that is
// shorter than the limit's window may use up the whole limit.
func limitOf(l records.LaneState, step time.Duration) int64 {
	if l.Window <= 0 {
		return 0
	}
	return int64(float64(l.Limit) * max(1, step.Seconds()/l.Window.Seconds()))
}

// draw lays out the bars. A step without calls keeps its place.
func draw(bars []records.Bar, from, to time.Time, step time.Duration, now time.Time, limit int64) chart {
	steps := max(int(to.Sub(from)/step)+1, 10) // at least ten, or a single bar would fill the page
	c := chart{Step: step, Left: chartLeft, From: text.Clock(from, now), To: text.Clock(from.Add(time.Duration(steps)*step), now)}
	most := max(1, limit)
	for _, b := range bars {
		most = max(most, b.Calls)
	}
	c.Scale = niceAbove(most)
	wide := float64(chartWidth-chartLeft) / float64(steps)
	for _, b := range bars {
		i := float64(b.At.Sub(from) / step)
		d := drawnBar{Bar: b, Label: text.Clock(b.At, now), X: chartLeft + i*wide + wide*0.1, W: wide * 0.8}
		y := float64(chartHigh)
		for _, part := range []struct {
			n  int64
			to *rect
		}{{b.Succeeded, &d.OK}, {b.RateLimited, &d.Wait}, {b.Failed, &d.Bad}} {
			h := float64(part.n) / float64(c.Scale) * chartHigh
			y -= h
			*part.to = rect{Y: y, H: h}
		}
		c.Bars = append(c.Bars, d)
		c.Calls, c.OK, c.Wait, c.Bad = c.Calls+b.Calls, c.OK+b.Succeeded, c.Wait+b.RateLimited, c.Bad+b.Failed
	}
	if limit > 0 {
		c.Limit = &line{Y: chartHigh * (1 - float64(limit)/float64(c.Scale)), Label: text.Number(limit)}
	}
	for _, part := range []float64{0.5, 1} {
		c.Lines = append(c.Lines, line{Y: chartHigh * (1 - part), Label: text.Number(int64(float64(c.Scale) * part))})
	}
	return c
}

// niceAbove returns the next round number that is at least n. It is even, so that
// half of it is whole.
func niceAbove(n int64) int64 {
	for base := int64(1); ; base *= 10 {
		for _, m := range []int64{2, 4, 6, 8, 10} {
			if m*base >= n {
				return m * base
			}
		}
	}
}

// px formats a length in a drawing.
func px(f float64) string { return strconv.FormatFloat(f, 'f', 2, 64) }

// share returns n of total in percent, rounded down, so that 100 means all.
func share(n, total int64) int64 {
	if total <= 0 {
		return 0
	}
	return 100 * n / total
}

// segment is the part of a progress bar that shows one status.
type segment struct {
	Status string
	X, W   float64
}

// drawnProgress is a batch's progress bar, with its meaning in words.
type drawnProgress struct {
	Segments []segment
	Percent  int64
	Label    string
}

// bar draws a batch's progress.
func bar(b report.Batch) drawnProgress {
	d := drawnProgress{Percent: share(b.Done(), b.Total)}
	x := 0.0
	for _, c := range countsOf(b) {
		if c.Rows == 0 || c.Status == string(db.RowPending) || b.Total == 0 {
			continue
		}
		w := float64(c.Rows) / float64(b.Total) * 1000
		d.Segments = append(d.Segments, segment{Status: c.Status, X: x, W: w})
		x += w
	}
	d.Label = fmt.Sprintf("%d %% done: %s", d.Percent, b.Counts())
	return d
}

// gauge shows how much of the rate limit is used, as an arc of length 100.
type gauge struct {
	Ours, Foreign float64 // lengths; Foreign follows Ours
	Used          int
	Label         string
}

func gaugeOf(l records.LaneState) gauge {
	if l.Limit == 0 {
		return gauge{Label: "no limit"}
	}
	n := min(l.Used, l.Limit) // more was used if the limit was lowered since
	used := float64(n) / float64(l.Limit) * 100
	foreign := min(float64(l.Foreign)/float64(l.Limit)*100, used)
	return gauge{Ours: used - foreign, Foreign: foreign, Used: n, Label: report.Rate(l)}
}
