package cli

import (
	"context"
	"fmt"
	"strings"

	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

func (a *app) story(ctx context.Context, s *session, p records.StoryParams) error {
	st, err := report.ReadStory(ctx, s.DB, p)
	if err != nil {
		return err
	}
	if a.json {
		return a.result.print(newStoryJSON(st))
	}
	fmt.Fprintf(a.Out, "Asset %s on site %s\n", text.Line(st.AssetID), strings.Join(st.Sites, ", "))
	if p.RenameID != 0 {
		a.printRow(st.Rows[0])
	} else {
		a.printRows(st)
	}
	fmt.Fprintln(a.Out)
	for _, e := range st.Events {
		a.printEvent(e, p.RenameID == 0)
	}
	return nil
}

// printRow prints the state of one row.
func (a *app) printRow(j records.Row) {
	fmt.Fprintf(a.Out, "  row %d: line %d of batch %d %q, %s after %s\n", j.ID, j.Line, j.Batch, j.BatchName, j.Status,
		text.Plural(int64(j.Attempts), "call", "calls"))
	if j.FinishedAt == nil {
		state := "none waits or runs; the row gets one when it is due"
		if j.JobState != nil {
			state = *j.JobState
		}
		fmt.Fprintf(a.Out, "  its River job: %s\n", state)
	}
}

// printRows prints the number of an asset's rows, and the state of the last one.
func (a *app) printRows(st report.Story) {
	last := st.Rows[len(st.Rows)-1]
	fmt.Fprintf(a.Out, "  %s; the last loaded is %s: line %d of batch %d\n",
		text.Plural(int64(len(st.Rows)), "row", "rows"), last.Status, last.Line, last.Batch)
	if st.More {
		fmt.Fprintf(a.Out, "  older ones are not shown: relabel rows list --asset %s\n", st.AssetID)
	}
}

// printEvent wraps a long line beside the column of times.
func (a *app) printEvent(e report.StoryEvent, named bool) {
	head := e.At.Local().Format("2006-01-02 15:04:05") + "  "
	if named {
		head += fmt.Sprintf("%-9s ", eventRow(e))
	}
	lines := []string{e.Text}
	if w := terminal.Width(a.stdout.Writer); w > len(head)+terminal.MinText {
		lines = terminal.WrapWords(e.Text, w-len(head))
	}
	for i, line := range lines {
		if i > 0 {
			head = strings.Repeat(" ", len(head))
		}
		fmt.Fprintln(a.Out, head+line)
	}
}

// eventRow is the batch and line of an event about one row, else empty.
func eventRow(e report.StoryEvent) string {
	if e.RenameID == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%d", e.Batch, e.Line)
}
