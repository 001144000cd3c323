//go:build unix

package chaos

import (
	"time"

	"github.com/stretchr/testify/require"

	"relabel/db"
	"relabel/internal/webflow"
	"relabel/internal/webflow/webflowtest"
)

// rateSet is a limit of the default site and when it was, or may have been, in force.
type rateSet struct {
	db.Rate
	from, to time.Time // to: zero for ever
}

// inForce tells whether it was at any moment between two.
func (s rateSet) inForce(from, to time.Time) bool {
	return !s.from.After(to) && (s.to.IsZero() || !s.to.Before(from))
}

// setRate changes the default site's limit, and with it the window. Each of them
// stays within what the API allows.
func (r *randomRun) setRate() {
	rates := []string{"40/1s", "30/1s", "40/2s", "40/3s", "10/1s", "12/500ms"}
	text := rates[r.rnd.IntN(len(rates))]
	rate, err := db.ParseRate(text)
	require.NoError(r, err)
	begun := time.Now()
	p := r.spawn("site set", r.direct, "site", "set", "--rate", text)
	require.NoError(r, p.wait(), p.said())
	r.rates[len(r.rates)-1].to = time.Now()
	r.rates = append(r.rates, rateSet{Rate: rate, from: begun})
}

// late is how long after its grant a call may arrive: a lease, and the network's time.
const late = lease + 2*time.Second

// checkRates is I5 while the limit changes: no window of the limit in force, ending
// with whatever call, holds more calls than that limit. The call has been granted under
// one that was in force a moment before, and all calls of its window that were granted
// earlier counted then, also those of the time before that limit was set.
func (r *randomRun) checkRates() {
	r.Helper()
	calls := r.callsOfDefault()
	for i, c := range calls {
		most, window := 0, time.Duration(0)
		for _, s := range r.rates {
			if s.inForce(c.ArrivedAt.Add(-late), c.ArrivedAt) {
				if most = max(most, s.Calls); window == 0 || s.Window < window {
					window = s.Window
				}
			}
		}
		n := 0
		for ; n <= i && c.ArrivedAt.Sub(calls[i-n].ArrivedAt) < window; n++ {
		}
		require.LessOrEqual(r, n, most, "calls within %s until %s; limits: %+v", window, c.ArrivedAt, r.rates)
	}
}

// callsOfDefault are those with the default site's token.
func (r *randomRun) callsOfDefault() (list []webflowtest.Call) {
	own, err := webflow.NewToken(token)
	require.NoError(r, err)
	for _, c := range r.api.Log() {
		if c.Token == own.Fingerprint() {
			list = append(list, c)
		}
	}
	require.NotEmpty(r, list)
	return list
}
