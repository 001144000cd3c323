package cli

import (
	"context"
	"fmt"
	"strings"

	"relabel/internal/records"
	"relabel/internal/text"
)

// workEnd prints the outcome, and returns the error for the exit code.
func (a *app) workEnd(ctx context.Context, w *workWatch, signalled bool) error {
	load, err := w.workload(ctx)
	if err != nil {
		return err
	}
	sites, ids := w.watched()
	at, err := records.Progress(ctx, w.s.DB, ids, w.since)
	if err != nil {
		return err
	}
	if err := a.printWorked(w, load, at); err != nil {
		return err
	}
	if n := load.paused - at.Held; n > 0 {
		a.warn("%s in paused batches: relabel batch resume BATCH", text.Plural(n, "row waits", "rows wait"))
	}
	switch {
	case signalled:
		return nil
	case load.stuck():
		return exitErr{exitParked, strings.Join(load.reasons, "; ")}
	case at.Held > 0:
		return exitErr{exitError, fmt.Sprintf("%s in batches that were paused for failing; `relabel status BATCH` says why",
			text.Plural(at.Held, "row waits", "rows wait"))}
	}
	var bad int64
	for _, site := range sites {
		n, err := records.TroubledSince(ctx, w.s.DB, site.ID, w.since)
		if err != nil {
			return err
		}
		bad += n
	}
	if bad == 0 {
		return nil
	}
	why, err := w.topCause(ctx)
	if err != nil {
		return err
	}
	return exitErr{exitTrouble, fmt.Sprintf("%s did not succeed%s; `relabel status` shows which batches", text.Plural(bad, "row", "rows"), why)}
}

// topCause is the most frequent error since the work began.
func (w *workWatch) topCause(ctx context.Context) (string, error) {
	var top records.Cause
	sites, _ := w.watched()
	for _, site := range sites {
		got, err := records.RowErrors(ctx, w.s.DB, records.RowFilter{Site: site.Name, Since: w.since}, 1)
		if err != nil {
			return "", err
		}
		if len(got.Causes) > 0 && got.Causes[0].Rows > top.Rows {
			top = got.Causes[0]
		}
	}
	if top.Rows == 0 {
		return "", nil
	}
	return fmt.Sprintf(" (%s × %s)", text.Number(top.Rows), text.Line(top.Error)), nil
}

// workedJSON is what `work --json` prints at its end.
type workedJSON struct {
	Sites       []string `json:"sites"`
	Left        int64    `json:"left"`
	Paused      int64    `json:"paused"`
	InFlight    int64    `json:"in_flight"`
	Ended       int64    `json:"ended"`
	Calls       int64    `json:"calls"`
	RateLimited int64    `json:"rate_limited"`
	ParkedSites []string `json:"parked_sites"`
	Parked      []string `json:"parked"` // the reasons
}

func (a *app) printWorked(w *workWatch, load workload, at records.SiteProgress) error {
	if !a.json {
		line := fmt.Sprintf("stopped; %s left to send", text.Plural(load.open, "row is", "rows are"))
		if load.flying > 0 {
			line += ", " + text.Plural(load.flying, "call was", "calls were") + " in flight elsewhere"
		}
		a.note("%s", line)
		return nil
	}
	out := workedJSON{
		Sites: []string{}, Left: load.open, Paused: load.paused, InFlight: load.flying, Ended: at.Ended,
		Calls: at.Calls, RateLimited: at.RateLimited,
		ParkedSites: append([]string{}, load.parkedSites...), Parked: append([]string{}, load.reasons...),
	}
	sites, _ := w.watched()
	for _, site := range sites {
		out.Sites = append(out.Sites, site.Name)
	}
	return a.result.print(out)
}
