package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/siteread"
	"relabel/internal/terminal"
	"relabel/internal/text"
)

// newView makes what shows a command's progress on standard error.
func (a *app) newView() terminal.View {
	term, _ := a.LookupEnv("TERM")
	return terminal.NewView(terminal.ViewConfig{Screen: a.screen, Quiet: a.quiet, Dumb: term == "dumb"})
}

// reading shows how far a reading of a site is, what it waits for and until when, and
// around is the step before and after it. done ends what is shown.
func (a *app) reading(ctx context.Context, s *session, site string, around step) (p siteread.Params, done func()) {
	w := a.newWait(ctx)
	w.to(around)
	return siteread.Params{Progress: s.readSteps(w, site, around), Notice: a.notice}, w.close
}

// readSteps makes the callback of a reading's progress.
func (s *session) readSteps(w *wait, site string, then step) func(calls, total int) {
	return func(calls, total int) {
		if total > 0 && calls == total {
			w.to(then)
			return
		}
		read := step{label: "reading the site", done: int64(calls), total: int64(total), details: s.readDetails(site)}
		if total > 0 {
			read.unit = "calls"
		}
		w.to(read)
	}
}

// readDetails say why the next call of a reading waits, and when the last one is sent.
// They are empty while the database does not answer.
func (s *session) readDetails(site string) func(context.Context, step) []string {
	return func(ctx context.Context, at step) []string {
		lane, known, err := records.Lane(ctx, s.DB, site)
		if err != nil || !known {
			return nil
		}
		users, err := records.LaneBatches(ctx, s.DB, site, shownUsers+1)
		if err != nil {
			return nil
		}
		details := []string{readWaits(lane, users)}
		in, limited, err := records.EndsIn(ctx, s.DB, site, max(at.total-at.done, 1))
		if err == nil && limited {
			details = append(details, readEnds(at, in, len(users) > 0))
		}
		return details
	}
}

// shownUsers is how many batches are named that use the limit too.
const shownUsers = 3

// readWaits says how much of the limit is used, and by which batches besides.
func readWaits(lane records.LaneState, users []int64) string {
	line := report.Rate(lane)
	switch {
	case lane.Blocked > 0:
		return report.Blocked(lane)
	case lane.Limit > 0 && lane.Used >= lane.Limit:
		line = "waiting for the rate limit: " + line + " are used"
	}
	if len(users) > 0 {
		line += ", also by " + batchList(users)
	}
	return line
}

func batchList(ids []int64) string {
	names := make([]string, 0, shownUsers)
	for _, id := range ids[:min(len(ids), shownUsers)] {
		names = append(names, strconv.FormatInt(id, 10))
	}
	list := strings.Join(names, ", ")
	switch {
	case len(ids) > shownUsers:
		return "batches " + list + " and others"
	case len(ids) > 1:
		return "batches " + list
	}
	return "batch " + list
}

// readEnds says when a reading ends. Where batches use the limit too, it may take longer.
func readEnds(at step, in time.Duration, shared bool) string {
	now := time.Now()
	when := fmt.Sprintf("%s (in %s)", text.Clock(now.Add(in), now), text.Span(in))
	switch {
	case at.total == 0:
		return "next call " + when
	case shared:
		return "ends " + when + " or later"
	}
	return "ends " + when
}
