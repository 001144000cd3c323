package db

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultRate is where learning begins: Webflow's lowest limit, that of the
	// Starter and Basic plans (Webflow's rate limit page).
	DefaultRate = 60

	// DefaultWindow is that of Webflow's limits: calls a minute.
	DefaultWindow = time.Minute

	// MaxWindow is the longest window of a limit. The log of grants goes back as
	// far (grantsKept).
	MaxWindow = 24 * time.Hour

	minWindow = 10 * time.Millisecond
	maxCalls  = 1_000_000
)

// Rate is a limit on calls, as it is set for a site.
type Rate struct {
	Calls  int           // 0: no limit
	Window time.Duration // of Calls
	Fixed  bool          // a ceiling of the user's; otherwise the API's headers decide
}

// ParseRate reads CALLS/WINDOW such as 60/1m (a ceiling), none (no limit),
// learn or learn/WINDOW (follow the API's headers from 60 calls; the default).
func ParseRate(s string) (Rate, error) {
	learn := Rate{Calls: DefaultRate, Window: DefaultWindow}
	switch s {
	case "", "learn":
		return learn, nil
	case "none":
		return Rate{Window: DefaultWindow, Fixed: true}, nil
	}
	calls, window, found := strings.Cut(s, "/")
	d, err := time.ParseDuration(window)
	bad := fmt.Errorf("%q is not CALLS/WINDOW such as 60/1m, and neither none nor learn", s)
	if !found || err != nil || d < minWindow || d > MaxWindow {
		return Rate{}, bad
	}
	if calls == "learn" {
		learn.Window = d
		return learn, nil
	}
	n, err := strconv.Atoi(calls)
	if err != nil || n < 1 || n > maxCalls {
		return Rate{}, bad
	}
	return Rate{Calls: n, Window: d, Fixed: true}, nil
}

// String is what ParseRate reads.
func (r Rate) String() string {
	switch {
	case r.Calls == 0:
		return "none"
	case r.Fixed:
		return fmt.Sprintf("%d/%s", r.Calls, r.Window)
	}
	return "learn/" + r.Window.String()
}

// CommonRate combines the limits of a token's sites into one that keeps all of them. A
// site's own limit comes before learning, and learning before no limit: a site that
// learns wants the API's limit kept.
func CommonRate(sites []Rate) Rate {
	var limits []Rate
	learn := Rate{Calls: DefaultRate}
	for _, r := range sites {
		switch {
		case r.Calls > 0 && r.Fixed:
			limits = append(limits, r)
		case r.Calls > 0:
			learn.Window = max(learn.Window, r.Window)
		}
	}
	switch {
	case len(limits) > 0:
		return strictest(limits)
	case learn.Window > 0:
		return learn
	}
	return Rate{Window: DefaultWindow, Fixed: true}
}

// strictest returns one limit that keeps all of several: 60/1m and 2/1s give 1/1s.
//
// For each limit's window it calculates how many calls keep the others: another limit's
// calls, divided by the number of these windows that its own window covers. Of these
// candidates it takes the one with the highest rate. The longest window always allows
// at least one call.
func strictest(limits []Rate) (best Rate) {
	for _, in := range limits {
		r := Rate{Calls: in.Calls, Window: in.Window, Fixed: true}
		for _, other := range limits {
			windows := (other.Window + in.Window - 1) / in.Window
			r.Calls = min(r.Calls, other.Calls/int(windows))
		}
		if d := cmp.Compare(r.perSecond(), best.perSecond()); d > 0 || d == 0 && r.Calls > best.Calls { // the longer burst
			best = r
		}
	}
	return best
}

func (r Rate) perSecond() float64 {
	if r.Calls == 0 {
		return 0
	}
	return float64(r.Calls) / r.Window.Seconds()
}
