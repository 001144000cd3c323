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
	used := fmt.Sprintf("%s of %s calls in %s", number(min(l.Used, l.Limit)), number(l.Limit), Window(l.Window))
	if l.Foreign > 0 {
		used += fmt.Sprintf(" (%s by others)", number(l.Foreign))
	}
	return used
}

func number(n int) string { return text.Number(int64(n)) }

// Window formats the length of a limit's window: 1 min, 2 s, 500ms.
func Window(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	return text.Span(d)
}
