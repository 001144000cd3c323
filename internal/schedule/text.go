package schedule

import (
	"fmt"
	"strings"

	"relabel/db"
	"relabel/internal/report"
)

// ShownSource is where a schedule's rows come from, without what may be secret.
func ShownSource(s db.Schedule) string {
	switch {
	case s.CSV != nil && IsURL(*s.CSV):
		return ShownURL(*s.CSV)
	case s.CSV != nil:
		return *s.CSV
	case s.QueryFile != nil:
		return *s.QueryFile
	}
	if s.Query != nil {
		return *s.Query
	}
	return ""
}

// RunText says in few words what came of a run.
func RunText(r db.ScheduleRun) string {
	switch r.Status {
	case "missed":
		return fmt.Sprintf("missed (%s)", report.Plural(int64(r.Missed), "run", "runs"))
	case "done", "sending", "cancelled":
		parts := []string{fmt.Sprintf("%s of %s different", report.Number(r.Different), report.Plural(r.LookedAt, "row", "rows")), report.Number(r.Renamed) + " renamed"}
		for _, c := range []struct {
			n    int64
			name string
		}{{r.Failed, "failed"}, {r.Conflicts, "conflict"}, {r.Invalid, "invalid"}} {
			if c.n > 0 {
				parts = append(parts, report.Number(c.n)+" "+c.name)
			}
		}
		return r.Status + ": " + strings.Join(parts, ", ")
	}
	return r.Status
}
