package cli

import (
	"fmt"
	"io"
	"strings"

	"relabel/db"
	"relabel/internal/report"
	"relabel/internal/text"
)

func printBatch(w io.Writer, v report.Batch) {
	fmt.Fprintln(w, headline(v))
	fmt.Fprintf(w, "  %s: %s\n", text.Plural(v.Total, "row", "rows"), v.Counts())
	fmt.Fprintf(w, "  %s, %s answered 429; now %s\n",
		text.Plural(v.Calls, "call", "calls"), text.Number(v.RateLimited), report.Rate(v.Lane))
	if v.Status == db.BatchPlanned {
		fmt.Fprintf(w, "  a plan: `relabel apply %d` sends what is pending, `relabel batch cancel %d` discards it\n", v.Batch, v.Batch)
	}
	if v.ParkedReason != nil && v.Left() > 0 {
		printParked(w, v)
	} else if t := v.Waiting(); t != "" && v.Left() > 0 {
		fmt.Fprintln(w, "  "+t)
	}
	if t := v.Ends(); t != "" {
		fmt.Fprintln(w, "  "+t)
	}
}

// printParked prints why the site is parked and what to do. The headline says since when.
func printParked(w io.Writer, v report.Batch) {
	cause, todo, _ := strings.Cut(*v.ParkedReason, "; ")
	fmt.Fprintln(w, "  cause: "+cause)
	fmt.Fprintln(w, "  next: "+strings.TrimPrefix(todo+report.ThenResume(v.Site), ", then "))
}
