//go:build unix

package chaos

import (
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/webflow"
)

// rateSet is a limit of the default site, and the time in which it may have been in force.
type rateSet struct {
	db.Rate
	from, to time.Time // a zero to means until the end
}

// inForce reports whether the limit may have been in force between two moments.
func (s rateSet) inForce(from, to time.Time) bool {
	return !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from))
}

// setRate changes the default site's limit and its window. All values are within the
// API's own limit.
func (r *randomRun) setRate() {
	rates := []string{"40/1s", "30/1s", "40/2s", "40/3s", "10/1s", "12/500ms"}
	text := rates[r.rnd.IntN(len(rates))]
	rate, err := db.ParseRate(text)
	require.NoError(r, err)
	begun := time.Now()
	p := r.spawn("site set", r.direct, "site", "set", "--rate", text)
	require.NoError(r, p.wait(), p.output())
	r.rates[len(r.rates)-1].to = time.Now()
	r.rates = append(r.rates, rateSet{Rate: rate, from: begun})
}

// late is how long after its grant a call may arrive: a lease plus the network's delay.
const late = lease + 2*time.Second

// checkRates checks I5 while the limit changes, for calls and for grants. A call was
// granted under a limit that was in force shortly before it arrived, and all earlier
// calls of that window count, even those made before the limit was set. For grants the
// exact time is known.
func (r *randomRun) checkRates() {
	r.Helper()
	own, err := webflow.NewToken(token)
	require.NoError(r, err)
	var arrived []time.Time
	for _, c := range r.api.Log() {
		if c.Token == own.Fingerprint() {
			arrived = append(arrived, c.ArrivedAt)
		}
	}
	r.checkWindows("calls", arrived, late)
	r.checkWindows("grants", ask[[]time.Time](r.stage, `
		SELECT coalesce(array_agg(granted_at ORDER BY granted_at), '{}') FROM lane_grant WHERE lane = $1`, own.Fingerprint()), 0)
}

// checkWindows checks the windows that end at each of the times: none has more of them
// than the limit that was in force.
func (r *randomRun) checkWindows(what string, times []time.Time, late time.Duration) {
	r.Helper()
	for i, at := range times {
		most, window := r.loosest(at.Add(-late), at)
		n := 0
		for ; n <= i && at.Sub(times[i-n]) < window; n++ {
		}
		require.LessOrEqual(r, n, most, "%s within %s until %s; limits: %+v", what, window, at, r.rates)
	}
}

// loosest returns the largest number and the shortest window of all limits that may have
// been in force between two moments.
func (r *randomRun) loosest(from, to time.Time) (most int, window time.Duration) {
	for _, s := range r.rates {
		if s.inForce(from, to) {
			if most = max(most, s.Calls); window == 0 || s.Window < window {
				window = s.Window
			}
		}
	}
	return most, window
}
