package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/report"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

const (
	seenPath = "/seen"

	// troubleShown is how long a batch with failures is shown as needing attention.
	troubleShown = 7 * 24 * time.Hour

	// troubleEvery is how often the causes of an ended batch's failures are read.
	troubleEvery = time.Minute
)

// need is something that a person must do.
type need struct {
	Kind   needKind
	Key    string // under which it is marked as seen; empty: it stays until it is done
	Text   string
	Detail string // the cause
	Link   string
	Do     string // the text of its button; empty: no button
	Action string // the address of its form
}

// needKind groups needs. Needs of sites come first and are shown one by one.
type needKind int

const (
	needSite needKind = iota
	needHeld
	needSchedule
	needFailures
	needPlan
)

// needGroup holds the needs of one kind. It has a title if there are several.
type needGroup struct {
	ID    string
	Title string
	Needs []need
}

// Keys returns what marks the whole group as seen.
func (g needGroup) Keys() (keys []string) {
	for _, n := range g.Needs {
		if n.Key != "" {
			keys = append(keys, n.Key)
		}
	}
	return keys
}

// trouble is what an ended batch's failures come down to.
type trouble struct {
	Cause string
	Right int64 // bad rows whose target got its value by a later batch
}

func (s *Server) readNeeds(ctx context.Context, f *overviewFigures, newest []report.Batch) error {
	all := needsOf(f, newest)
	for _, b := range newest {
		n, err := s.failures(ctx, f.Now, b)
		if err != nil {
			return err
		}
		if n != nil {
			all = append(all, *n)
		}
	}
	var keys []string
	for _, n := range all {
		keys = append(keys, n.Key)
	}
	seen, err := records.SeenItems(ctx, s.cfg.DB, keys)
	if err != nil {
		return err
	}
	f.Needs, f.Seen = group(all, seen)
	return nil
}

// failures is the need of a batch that ended with failures, unless later batches have
// put them all right.
func (s *Server) failures(ctx context.Context, now time.Time, b report.Batch) (*need, error) {
	bad := b.Bad()
	if b.FinishedAt == nil || b.Status != db.BatchDone || bad == 0 || now.Sub(*b.FinishedAt) >= troubleShown {
		return nil, nil //nolint:nilnil // nothing to do, which is not an error
	}
	t, err := s.troubles.get(b.Batch, fmt.Sprint(bad), s.cfg.Now(), func() (t trouble, err error) {
		if t.Right, err = records.PutRight(ctx, s.cfg.DB, b.Batch); err != nil || t.Right == bad {
			return t, err
		}
		causes, err := records.RowErrors(ctx, s.cfg.DB, records.RowFilter{Batch: b.Batch}, 1)
		if len(causes.Causes) > 0 {
			t.Cause = causes.Causes[0].Error
		}
		return t, err
	})
	if err != nil || t.Right >= bad {
		return nil, err
	}
	return &need{
		Kind: needFailures, Key: fmt.Sprintf("batch %d, %d bad", b.Batch, bad), Link: batchPath(b.Batch) + "#rows", Detail: text.Cut(t.Cause, 120),
		Text: fmt.Sprintf("%s (batch %d): %s of %s did not succeed", text.Cut(b.Name, 60), b.Batch, text.Number(bad-t.Right), text.Plural(b.Total, "row", "rows")),
	}, nil
}

// needsOf lists what needs a person, but for failures.
func needsOf(f *overviewFigures, newest []report.Batch) (all []need) {
	for _, site := range f.Sites {
		all = append(all, site.needs()...)
	}
	for _, b := range f.Running {
		if b.Held() {
			all = append(all, need{
				Kind: needHeld, Text: fmt.Sprintf("%s (batch %d) was paused", text.Cut(b.Name, 60), b.Batch), Detail: *b.StatusReason, Link: batchPath(b.Batch),
			})
		}
	}
	for _, one := range f.Schedules {
		if one.State != "ok" {
			all = append(all, one.needs())
		}
	}
	for _, b := range newest {
		if b.Status == db.BatchPlanned && !nothingToSend(b) && !f.scheduled(b.Batch) { // a schedule's plan is listed with it
			all = append(all, need{
				Kind: needPlan, Key: fmt.Sprintf("plan %d", b.Batch), Link: batchPath(b.Batch),
				Text: fmt.Sprintf("%s (batch %d) is a plan of %s: check it, then apply or discard it", text.Cut(b.Name, 60), b.Batch, text.Plural(b.Total, "row", "rows")),
			})
		}
	}
	return all
}

// needs says what a person must do for a site.
func (s siteFigures) needs() []need {
	n := need{Kind: needSite}
	switch act := "/site/" + s.Name + "/resume"; {
	case s.ParkedReason != nil:
		n.Text, n.Detail, n.Do, n.Action = "Site "+s.Name+" is parked. A worker that starts with a new token that works resumes it. If you gave the same token a missing scope, resume the site", *s.ParkedReason, "Resume "+s.Name, act
	case s.PausedAt != nil:
		n.Text, n.Do, n.Action = "Site "+s.Name+" is paused", "Resume "+s.Name, act
	case s.idle():
		n.Text = fmt.Sprintf("Site %s: %s, and no worker is running: start `relabel work%s`",
			s.Name, text.Plural(s.Work.Open, "row waits", "rows wait"), report.SiteFlag(s.Name))
	case s.RefusedIn != nil:
		n.Text = "Site " + s.Name + ": " + report.Refused(*s.RefusedIn)
	case s.BreakerOpen:
		n.Text, n.Detail = "The API of site "+s.Name+" is failing", text.Cut(text.Deref(s.BreakerError), 120)
	default:
		return nil
	}
	return []need{n}
}

// scheduled reports whether a plan belongs to a schedule's last run.
func (f *overviewFigures) scheduled(batch int64) bool {
	return slices.ContainsFunc(f.Schedules, func(s scheduleFigures) bool {
		return s.Last != nil && s.Last.Batch != nil && *s.Last.Batch == batch
	})
}

// group puts needs into groups in the order of their kinds, and what was seen aside.
func group(all []need, seen map[string]bool) (groups []needGroup, aside []need) {
	for _, kind := range []struct {
		needKind
		id, title string
	}{
		{needSite, "sites", ""},
		{needHeld, "held", "%d batches were paused by relabel"},
		{needSchedule, "schedule-needs", "%d schedules need attention"},
		{needFailures, "failures", "%d batches with failures"},
		{needPlan, "plans", "%d plans wait to be applied or discarded"},
	} {
		g := needGroup{ID: "need-" + kind.id}
		for _, n := range all {
			switch {
			case n.Kind != kind.needKind:
			case seen[n.Key]:
				aside = append(aside, n)
			default:
				g.Needs = append(g.Needs, n)
			}
		}
		if len(g.Needs) > 1 && kind.title != "" {
			g.Title = fmt.Sprintf(kind.title, len(g.Needs))
		}
		if len(g.Needs) > 0 {
			groups = append(groups, g)
		}
	}
	return groups, aside
}

// markSeen marks needs as seen, for everybody.
func (s *Server) markSeen(w http.ResponseWriter, r *http.Request) {
	if !s.parseForm(w, r) {
		return
	}
	items := r.PostForm["item"]
	if len(items) == 0 || len(items) > 2*newestBatches || slices.ContainsFunc(items, func(i string) bool { return i == "" || len(i) > 200 }) {
		s.fail(w, r, http.StatusBadRequest, "The form does not say what was seen.")
		return
	}
	entry := records.AuditEntry{Action: "mark as seen", Subject: items[0]}
	if len(items) > 1 {
		entry.Detail = fmt.Sprintf("and %d more", len(items)-1)
	}
	s.act(w, r, "mark as seen", "/", func(ctx context.Context, by usecase.Actor) (done, error) {
		return done{text: "Marked as seen, for everybody."}, s.use.Record(ctx, by, entry, func(ctx context.Context) (int64, error) {
			return -1, records.MarkSeen(ctx, s.cfg.DB, items, by.Name)
		})
	})
}
