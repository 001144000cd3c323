// Package text formats what people read: numbers, durations, times of day, and
// foreign text on one line. The command line, the dashboard and messages use it,
// so that the same value looks the same everywhere. It depends on no other
// package of relabel.
package text

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Plural counts things: "1 row", "2,000 rows".
func Plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// ItThem is the pronoun for n things.
func ItThem(n int64) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// Number groups the digits by threes: 5,000,000.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Span is a duration in its two largest units: 45 s, 3 min 20 s, 13 h 53 min, 2 d 4 h.
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

// Clock is a time of day in local time, with the date unless it is today.
func Clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// Cut shortens a text to at most limit characters. A cut text ends with "…".
func Cut(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

// Line makes foreign text safe to print on one line of a terminal: invisible and
// control characters become U+FFFD.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, OneLine(s))
}

// Hidden reports whether a character can't be seen, or changes how the text around it is
// shown: control characters, line separators, byte order marks, and those that set the
// direction of text (U+202E and others), which make a name look like another one.
func Hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == '\ufeff'
}

// Escape shows hidden characters as \uXXXX, except those in keep, and bytes that are no
// UTF-8 as U+FFFD. So foreign text can't control a terminal or begin a line of a log. JSON
// stays the same JSON.
func Escape(s, keep string) string {
	hidden := func(r rune) bool { return r == unicode.ReplacementChar || Hidden(r) && !strings.ContainsRune(keep, r) }
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if r != unicode.ReplacementChar && hidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// OneLine joins the lines of a text, and turns any run of white space into one space.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// Deref is the text that s points to, or "" if s is nil.
func Deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// NilIfEmpty is a pointer to s, or nil if s is empty.
func NilIfEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// List splits a text at its commas, and leaves out what is empty.
func List(s string) (list []string) {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
