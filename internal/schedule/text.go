package schedule

import (
	"fmt"
	"strings"
	"unicode"

	"relabel/internal/intake"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// ShownSource is where a schedule's rows come from, without possible secrets.
func ShownSource(s scheduledb.Schedule) string {
	switch {
	case s.Rule != nil:
		return "rule " + *s.Rule
	case s.CSV != nil && IsURL(*s.CSV):
		return ShownURL(*s.CSV)
	case s.CSV != nil:
		return *s.CSV
	case s.QueryFile != nil:
		return *s.QueryFile
	case s.Command != nil:
		return "command " + intake.CommandName(*s.Command, s.Shell)
	}
	return text.Deref(s.Query)
}

// RunText summarises the result of a run in a few words.
func RunText(r scheduledb.Run) string {
	switch r.Status {
	case scheduledb.RunMissed:
		return fmt.Sprintf("missed (%s)", text.Plural(int64(r.Missed), "run", "runs"))
	case scheduledb.RunDone, scheduledb.RunSending, scheduledb.RunCancelled:
		parts := []string{fmt.Sprintf("%s of %s different", text.Number(r.Different), text.Plural(r.LookedAt, "row", "rows")), text.Number(r.Renamed) + " renamed"}
		for _, c := range []struct {
			n    int64
			name string
		}{{r.Failed, "failed"}, {r.Conflicts, "conflict"}, {r.Invalid, "invalid"}} {
			if c.n > 0 {
				parts = append(parts, text.Number(c.n)+" "+c.name)
			}
		}
		return string(r.Status) + ": " + strings.Join(parts, ", ")
	}
	return string(r.Status)
}

// maxLine bounds a stored reason or note, in bytes.
const maxLine = 1000

// CleanLine makes a text safe to store and to post: on one line, without invisible
// characters, and not endless.
func CleanLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r): // control characters, and those that reverse the direction of text
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = text.OneLine(s)
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	return s
}
