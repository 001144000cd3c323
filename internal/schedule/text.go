package schedule

import (
	"fmt"
	"strings"

	"relabel/internal/intake"
	"relabel/internal/outward"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
)

// ShownSource is where a schedule's rows come from, without possible secrets.
func ShownSource(s scheduledb.Schedule) string {
	switch {
	case s.Rule != nil:
		return "rule " + *s.Rule
	case s.CSV != nil && outward.IsURL(*s.CSV):
		return outward.ShownURL(*s.CSV)
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
		parts := []string{fmt.Sprintf("%s of %s different", text.Number(r.Different), text.Plural(r.LookedAt, "row", "rows")), text.Number(r.Renamed) + " succeeded"}
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
