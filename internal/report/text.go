// Package report says how far a batch is, why it waits and when it ends. The
// command line and the dashboard show what it says, so that they agree.
package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Plural is "1 row" or "2,000 rows".
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Number groups digits by threes: 5,000,000.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Span is a duration as people say it: 45 s, 3 min 20 s, 13 h 53 min, 2 d 4 h.
func Span(d time.Duration) string {
	d = d.Round(time.Second)
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	var parts []string
	for _, u := range units {
		if n := d / u.size; n > 0 || (u.size == time.Second && len(parts) == 0) {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
			d -= n * u.size
		}
		if len(parts) == 2 {
			break
		}
	}
	return strings.Join(parts, " ")
}

// Clock is a moment in local time, with the day when it is not today.
func Clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// Cut shortens a text to a number of letters, for one line.
func Cut(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

// Line makes a text from outside fit for one line of a terminal: characters that
// can't be seen, or that steer it, become U+FFFD.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}

// SiteFlag is what a command needs to mean a site: nothing for the default one.
func SiteFlag(site string) string {
	if site == "default" {
		return ""
	}
	return " --site " + site
}
