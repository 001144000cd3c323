package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

// shownCauses bounds the errors of a summary; `results` has them all.
const shownCauses = 10

// summarise prints how a batch went, its errors by cause, and what to type
// next; with --json the batch's status object.
func (a *app) summarise(ctx context.Context, s *session, id int64) (batchView, error) {
	v, err := s.view(ctx, id)
	if err != nil {
		return v, err
	}
	if a.json {
		return v, a.result.print(v)
	}
	fmt.Fprintln(a.Out, headline(v))
	fmt.Fprintf(a.Out, "  %s: %s\n", plural(v.Total, "row", "rows"), counts(v.BatchStatus))
	fmt.Fprintf(a.Out, "  %s, %s answered 429\n", plural(v.Calls, "call", "calls"), number(v.RateLimited))
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

func headline(v batchView) string {
	text := fmt.Sprintf("Batch %d %q on site %s is %s", v.Batch, v.Name, v.Site, v.Status)
	if v.ParkedReason != nil && v.Left() > 0 {
		text = fmt.Sprintf("Batch %d %q: site %s is parked: %s", v.Batch, v.Name, v.Site, *v.ParkedReason)
	}
	if v.StartedAt != nil {
		text += " after " + span(end(v).Sub(*v.StartedAt))
	}
	return text
}

func end(v batchView) time.Time {
	if v.FinishedAt != nil {
		return *v.FinishedAt
	}
	return v.Now
}

func (a *app) printNormalised(ctx context.Context, s *session, v batchView) error {
	n, err := s.Normalised(ctx, v.Batch)
	if err != nil || n == 0 {
		return err
	}
	fmt.Fprintf(a.Out, "  %s stored under another name than asked for (column applied_name of the results)\n",
		plural(n, "asset was", "assets were"))
	return nil
}

func printTroubles(ctx context.Context, w io.Writer, s *session, v batchView) error {
	list, err := s.Troubles(ctx, v.Batch, shownCauses)
	if err != nil || len(list) == 0 {
		return err
	}
	fmt.Fprintln(w, "  what did not succeed, by cause:")
	for _, t := range list {
		status := t.Status
		if t.HTTPStatus != nil {
			status = fmt.Sprintf("%s, HTTP %d", t.Status, *t.HTTPStatus)
		}
		example := fmt.Sprintf("line %d, asset %s", t.Line, t.AssetID)
		if t.Name != nil {
			example += fmt.Sprintf(" → %q", cut(*t.Name, 40))
		}
		fmt.Fprintf(w, "    %s × %s (%s), such as %s\n", number(t.Rows), t.Error, status, example)
	}
	return nil
}

// cut shortens a text for one line of a terminal.
func cut(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return s
}

// nextCommands is what a person most likely wants to type now.
func nextCommands(v batchView) []string {
	var out []string
	switch {
	case v.ParkedReason != nil && v.Left() > 0:
		out = append(out, "relabel site check"+siteFlag(v.Site)+", then relabel site resume"+siteFlag(v.Site))
	case v.Left() > 0 && v.Status == "paused":
		out = append(out, fmt.Sprintf("relabel batch resume %d, then relabel work --until-done%s", v.Batch, siteFlag(v.Site)))
	case v.Left() > 0:
		out = append(out, "relabel work --until-done"+siteFlag(v.Site))
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

func siteFlag(site string) string {
	if site == "default" {
		return ""
	}
	return " --site " + site
}

// batchEnd turns a batch's end into the exit code of the contract, with one
// line that says what to do.
func batchEnd(v batchView) error {
	left := fmt.Sprintf("%s of batch %d", plural(v.Left(), "row", "rows"), v.Batch)
	bad := v.Failed + v.Invalid + v.Conflict + v.Cancelled
	switch {
	case v.Left() > 0 && v.ParkedReason != nil:
		return exitErr{exitParked, fmt.Sprintf("site %s is parked, %s left: %s", v.Site, left, *v.ParkedReason)}
	case v.Left() > 0 && v.BreakerError != nil:
		return exitErr{exitParked, fmt.Sprintf("the API of site %s fails, %s left: %s; `relabel work --until-done%s` goes on",
			v.Site, left, *v.BreakerError, siteFlag(v.Site))}
	case v.Left() > 0 && v.held():
		return exitErr{exitError, fmt.Sprintf("batch %d is paused, %s left: %s; `relabel batch resume %d` lets it go on",
			v.Batch, plural(v.Left(), "row", "rows"), *v.StatusReason, v.Batch)}
	case v.Left() > 0:
		return exitErr{exitError, fmt.Sprintf("stopped with %s left; `relabel work --until-done%s` goes on", left, siteFlag(v.Site))}
	case bad > 0:
		return exitErr{exitTrouble, fmt.Sprintf("%s of batch %d did not succeed", plural(bad, "row", "rows"), v.Batch)}
	}
	return nil
}
