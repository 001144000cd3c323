package report

import (
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
)

// Site is what decides whether a site sends anything now.
type Site struct {
	Name   string
	Parked *string // the reason; nil: not parked
	Paused bool
	Broken *string // the last failure while the circuit breaker is open
	Worked bool    // a process works on it
	Lane   records.LaneState

	RefusedIn *string // processes whose token was refused while others go on
}

// closed reports whether the site sends nothing until a person resumes it.
func (s Site) closed() bool { return s.Parked != nil || s.Paused }

// Waiting says why the site sends nothing now; empty if it does.
func (s Site) Waiting() string {
	switch {
	case s.Parked != nil:
		return "parked: " + *s.Parked + ThenResume(s.Name)
	case s.Paused:
		return "the site is paused; `relabel site resume" + SiteFlag(s.Name) + "` resumes it"
	case !s.Worked:
		return "no worker is running; `relabel work" + SiteFlag(s.Name) + "` sends it"
	case s.Broken != nil:
		return failing(text.Cut(*s.Broken, 60))
	case s.Lane.Blocked > 0:
		return Blocked(s.Lane)
	case s.RefusedIn != nil:
		return Refused(*s.RefusedIn)
	}
	return ""
}

// ThenResume ends the reason why a site is parked, which says what to do first.
func ThenResume(site string) string { return ", then `relabel site resume" + SiteFlag(site) + "`" }

// ParkedSince is why and since when a site is parked, and what to do, in one line.
func ParkedSince(site, reason string, since, now time.Time) string {
	return "parked since " + text.Clock(since, now) + ": " + reason + ThenResume(site)
}

// Blocked says how long a lane waits after a 429.
func Blocked(l records.LaneState) string {
	return "waits " + text.Span(l.Blocked+time.Second/2) + " " + because429
}

const because429 = "because the API answered 429 and asked us to wait"

func failing(why string) string {
	return "the API is failing (" + why + "); one call every " + text.Span(db.ProbeEvery) + " tests whether it works again"
}

// Refused names the processes that send nothing because their token was refused,
// while others go on with another token.
func Refused(in string) string { return in + " still has a token that was refused: restart it" }
