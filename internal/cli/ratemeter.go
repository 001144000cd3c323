package cli

import (
	"fmt"
	"time"

	"relabel/internal/text"
)

// The present rate of calls is measured over one window of the limit, so that the
// burst at its beginning does not look like the pace. These bounds keep it both
// smooth and recent.
const (
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
