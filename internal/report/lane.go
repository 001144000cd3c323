package report

import (
	"fmt"
	"time"

	"relabel/internal/records"
	"relabel/internal/text"
)

// Rate says how much of the rate limit is used: "58 of 60 calls in 1 min".
func Rate(l records.LaneState) string {
	switch {
	case l.Window == 0: // there is no lane: no worker ever ran for the site
		return "limit not known yet"
	case l.Limit == 0:
		return "no limit"
	}
	text := fmt.Sprintf("%d of %d calls in %s", min(l.Used, l.Limit), l.Limit, Window(l.Window))
	if l.Foreign > 0 {
		text += fmt.Sprintf(" (%d by others)", l.Foreign)
	}
	return text
}

// Window formats the length of a limit's window: 1 min, 2 s, 500ms.
func Window(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return text.Span(d)
}
