package report

import (
	"time"

	"relabel/db"
	"relabel/internal/text"
)

// Site is what a whole site waits for, if it waits.
type Site struct {
	Name   string
	Parked *string // why
	Paused bool
	Broken *string // the last failure, while the breaker is open
	Worked bool    // a process works at it
	Lane   db.LaneState

	RefusedIn *string // the processes that have a refused token, while others go on
}

// closed tells that a person has to open it.
func (s Site) closed() bool { return s.Parked != nil || s.Paused }

// Waiting says why nothing of the site is sent now, or nothing when all is well.
func (s Site) Waiting() string {
	switch {
	case s.Parked != nil:
		return "parked: " + *s.Parked
	case s.Paused:
		return "the site is paused; `relabel site resume" + SiteFlag(s.Name) + "` goes on"
	case !s.Worked:
		return "no worker is running; `relabel work" + SiteFlag(s.Name) + "` sends it"
	case s.Broken != nil:
		return "the API fails (" + text.Cut(*s.Broken, 60) + "): one call every " + text.Span(db.ProbeEvery) + " finds out when it is well again"
	case s.Lane.Blocked > 0:
		return "waits " + text.Span(s.Lane.Blocked+time.Second/2) + ": the API answered 429 and said for how long"
	case s.RefusedIn != nil:
		return Refused(*s.RefusedIn)
	}
	return ""
}

// Refused says which processes send nothing, as their token was refused, while
// others go on with another one.
func Refused(in string) string { return in + " still has a token that was refused: restart it" }
