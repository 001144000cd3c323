package cli

import (
	"fmt"
	"io"

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
		fmt.Fprintf(w, "  a plan: `relabel apply %d` sends what is pending, `relabel batch cancel %d` drops it\n", v.Batch, v.Batch)
	}
	if t := v.Waiting(); t != "" && v.Left() > 0 {
		fmt.Fprintln(w, "  "+t)
	}
	if t := v.Ends(); t != "" {
		fmt.Fprintln(w, "  "+t)
	}
}
