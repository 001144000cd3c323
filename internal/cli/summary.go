package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
)

// shownCauses is how many causes a summary shows; `results` has all errors.
const shownCauses = 10

// summarise prints the outcome of a batch, its errors by cause, and the next commands;
// with --json the batch's status object.
func (a *app) summarise(ctx context.Context, s *session, id int64) (report.Batch, error) {
	v, err := s.view(ctx, id)
	if err != nil {
		return v, err
	}
	if a.json {
		return v, a.result.print(v)
	}
	fmt.Fprintln(a.Out, headline(v))
	fmt.Fprintf(a.Out, "  %s: %s\n", text.Plural(v.Total, "row", "rows"), v.Counts())
	fmt.Fprintf(a.Out, "  %s, %s answered 429\n", text.Plural(v.Calls, "call", "calls"), text.Number(v.RateLimited))
	if err := a.printNormalised(ctx, s, v); err != nil {
		return v, err
	}
	if err := printTroubles(ctx, a.Out, s, v); err != nil {
		return v, err
	}
	for _, cmd := range nextCommands(v) {
		fmt.Fprintln(a.Out, "  next: "+cmd)
	}
	return v, nil
}

func headline(v report.Batch) string {
	line := fmt.Sprintf("Batch %d %q on site %s is %s", v.Batch, v.Name, v.Site, v.Status)
	if v.ReplacedBy != nil {
		line = fmt.Sprintf("Batch %d %q on site %s was replaced by batch %d", v.Batch, v.Name, v.Site, *v.ReplacedBy)
	}
	if v.ParkedReason != nil && v.Left() > 0 {
		line = fmt.Sprintf("Batch %d %q is stopped: site %s is parked", v.Batch, v.Name, v.Site)
		if v.ParkedAt != nil {
			line += " since " + text.Clock(*v.ParkedAt, v.Now)
		}
		return line // the reason comes in a line of its own
	}
	if v.StartedAt != nil {
		line += " after " + text.Span(v.Elapsed())
	}
	return line
}

func (a *app) printNormalised(ctx context.Context, s *session, v report.Batch) error {
	n, err := records.Normalised(ctx, s.DB, v.Batch)
	if err != nil || n == 0 {
		return err
	}
	fmt.Fprintf(a.Out, "  %s stored under another name than asked for (column applied_name of the results)\n",
		text.Plural(n, "asset was", "assets were"))
	return nil
}

func printTroubles(ctx context.Context, w io.Writer, s *session, v report.Batch) error {
	got, err := records.RowErrors(ctx, s.DB, records.RowFilter{Batch: v.Batch}, shownCauses+1)
	if err != nil || len(got.Causes) == 0 {
		return err
	}
	what := "what did not succeed"
	if v.Status == db.BatchPlanned {
		what = "what would not be sent"
	}
	fmt.Fprintf(w, "  %s, by cause:\n", what)
	for _, t := range got.Causes[:min(len(got.Causes), shownCauses)] {
		status := string(t.Status)
		if t.HTTPStatus != nil {
			status = fmt.Sprintf("%s, HTTP %d", t.Status, *t.HTTPStatus)
		}
		example := fmt.Sprintf("line %d", t.Line)
		if t.AssetID != "" {
			example += ", asset " + t.AssetID
		}
		if t.Name != nil {
			example += fmt.Sprintf(" → %q", text.Cut(*t.Name, 40))
		}
		fmt.Fprintf(w, "    %s × %s (%s), such as %s\n", text.Number(t.Rows), t.Error, status, example)
	}
	if len(got.Causes) > shownCauses {
		fmt.Fprintf(w, "    and other causes; relabel rows errors --batch %d lists them\n", v.Batch)
	}
	if !got.Complete {
		fmt.Fprintf(w, "    of the last %s; relabel rows errors --batch %d --all counts all %s\n",
			text.Number(got.Looked), v.Batch, text.Number(got.Of))
	}
	return nil
}

// nextCommands are the commands that a person most likely needs now.
func nextCommands(v report.Batch) []string {
	var out []string
	switch {
	case v.ParkedReason != nil && v.Left() > 0:
		out = append(out, "relabel site check"+report.SiteFlag(v.Site)+", then relabel site resume"+report.SiteFlag(v.Site))
	case v.Left() > 0 && v.Status == db.BatchPaused:
		out = append(out, fmt.Sprintf("relabel batch resume %d, then relabel work --until-done%s", v.Batch, report.SiteFlag(v.Site)))
	case v.Left() > 0:
		out = append(out, "relabel work --until-done"+report.SiteFlag(v.Site))
	}
	var bad []string
	for _, c := range []struct {
		n    int64
		name string
	}{{v.Failed, "failed"}, {v.Conflict, "conflict"}, {v.Invalid, "invalid"}} {
		if c.n > 0 {
			bad = append(bad, c.name)
		}
	}
	if len(bad) > 0 {
		out = append(out, fmt.Sprintf("relabel results %d --status %s -o failed.csv", v.Batch, strings.Join(bad, ",")))
	}
	if v.Left() == 0 && len(bad) == 0 {
		out = append(out, fmt.Sprintf("relabel results %d -o results.csv", v.Batch))
	}
	return out
}

// batchEnd is the error and exit code for the way a batch ended, with advice.
func batchEnd(v report.Batch) error {
	left := fmt.Sprintf("%s of batch %d", text.Plural(v.Left(), "row", "rows"), v.Batch)
	bad := v.BadOrCancelled()
	switch {
	case v.Left() > 0 && v.ParkedReason != nil:
		return exitErr{exitParked, fmt.Sprintf("site %s is parked, %s left: %s", v.Site, left, *v.ParkedReason)}
	case v.Left() > 0 && v.BreakerError != nil:
		return exitErr{exitParked, fmt.Sprintf("the API of site %s fails, %s left: %s; `relabel work --until-done%s` continues",
			v.Site, left, *v.BreakerError, report.SiteFlag(v.Site))}
	case v.Left() > 0 && v.Held():
		return exitErr{exitError, fmt.Sprintf("batch %d is paused, %s left: %s; `relabel batch resume %d` resumes it",
			v.Batch, text.Plural(v.Left(), "row", "rows"), *v.StatusReason, v.Batch)}
	case v.Left() > 0:
		return exitErr{exitError, fmt.Sprintf("stopped with %s left; `relabel work --until-done%s` continues", left, report.SiteFlag(v.Site))}
	case bad > 0:
		return exitErr{exitTrouble, fmt.Sprintf("%s of batch %d did not succeed", text.Plural(bad, "row", "rows"), v.Batch)}
	}
	return nil
}
