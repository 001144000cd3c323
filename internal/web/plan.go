package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"relabel/db"
	"relabel/internal/plan"
	"relabel/internal/text"
	"relabel/jobs"
)

// changesOnPage is how many changes of a plan a page shows.
const changesOnPage = 50

// planData is what a plan would change.
type planData struct {
	plan.Summary
	Compared bool
	Changes  []db.Change // one page
	Next     string
	First    string
	Looks    []string // what to check before applying it
}

func (s *Server) planData(r *http.Request, id int64) (*planData, error) {
	ctx := r.Context()
	sum, err := s.plans.get(id, "planned", s.cfg.Now(), func() (plan.Summary, error) { return plan.Summarise(ctx, s.cfg.DB, id) })
	if errors.Is(err, db.ErrNotPlanned) { // applied a moment ago
		return nil, nil //nolint:nilnil // no longer a plan, which is not an error
	}
	if err != nil {
		return nil, err
	}
	d := &planData{Summary: sum, Compared: sum.PlannedAt != nil, Looks: looksOf(sum)}
	after, _ := strconv.ParseInt(r.URL.Query().Get("line"), 10, 64)
	if d.Changes, err = s.cfg.DB.Changes(ctx, id, after, changesOnPage); err != nil {
		return nil, err
	}
	if n := len(d.Changes); n == changesOnPage {
		d.Next = fmt.Sprintf("?line=%d#plan", d.Changes[n-1].Line)
	}
	if after > 0 {
		d.First = "?#plan"
	}
	return d, nil
}

// looksOf lists what is often a mistake in the source.
func looksOf(p plan.Summary) (out []string) {
	if p.LosesExtension > 0 {
		out = append(out, text.Plural(p.LosesExtension, "name loses its file extension", "names lose their file extension"))
	}
	if p.Localized > 0 {
		out = append(out, text.Plural(p.Localized, "name is", "names are")+" for a secondary locale; whether Webflow keeps a display name for each locale is not documented")
	}
	if p.LocaleConflicts > 0 {
		out = append(out, text.Plural(p.LocaleConflicts, "asset gets", "assets get")+" different names in different locales; if Webflow keeps one for all, the last call wins")
	}
	if p.Unknown > 0 {
		out = append(out, text.Plural(p.Unknown, "row names an asset", "rows name assets")+" that the site does not have")
	}
	return out
}

// reader makes read calls with the site's token. The caller must close it.
func (s *Server) reader(ctx context.Context, site db.Site) (*jobs.Reader, error) {
	cfg, err := s.cfg.Site(site)
	if err != nil {
		return nil, err
	}
	return jobs.NewReader(ctx, jobs.ReaderConfig{DB: s.cfg.DB, Site: cfg, CallTimeout: s.cfg.CallTimeout, Logger: s.cfg.Logger})
}

// compare reads the site in the background, compares a plan with it, and then
// calls then, unless that is nil. It returns false if the site is already being
// read for this plan.
func (s *Server) compare(site db.Site, id int64, takeOver bool, then func(context.Context) error) bool {
	return s.background.start(id, func(ctx context.Context, progress func(calls, total int)) error {
		defer s.forget(id)
		reader, err := s.reader(ctx, site)
		if err != nil {
			return err
		}
		defer reader.Close()
		p := plan.Planner{DB: s.cfg.DB, Reader: reader, Progress: progress}
		if err := p.Compare(ctx, id, takeOver); err != nil || then == nil {
			return err
		}
		return then(ctx)
	})
}

var errReading = errors.New("the site is already being read for this plan: wait until that ends")

func (s *Server) compareAgain(ctx context.Context, _ *http.Request, b db.BatchStatus) (done, error) {
	st, err := s.cfg.DB.PlanState(ctx, b.Batch)
	if err != nil {
		return nothingDone(), err
	}
	if !s.compare(st.Site, b.Batch, false, nil) {
		return nothingDone(), errReading
	}
	return done{text: "Reading the site.", rows: -1}, nil
}

// compareWithRecord is for a site without a token, or with one that may not read.
func (s *Server) compareWithRecord(_ context.Context, _ *http.Request, b db.BatchStatus) (done, error) {
	if !s.compareRecord(b.Batch) {
		return nothingDone(), errReading
	}
	return done{text: "Comparing with relabel's own record of what it sent; the site is not read.", rows: -1}, nil
}

// compareRecord works in the background, because it looks at each row.
func (s *Server) compareRecord(id int64) bool {
	return s.background.start(id, func(ctx context.Context, _ func(calls, total int)) error {
		defer s.forget(id)
		return s.cfg.DB.CompareWithRecord(ctx, id)
	})
}

// applyPlan queues a plan. An old plan is first compared with the site again, in
// the background.
func (s *Server) applyPlan(ctx context.Context, r *http.Request, b db.BatchStatus) (done, error) {
	st, err := s.cfg.DB.PlanState(ctx, b.Batch)
	if err != nil {
		return nothingDone(), err
	}
	accept := func(ctx context.Context) error {
		return plan.Accept(ctx, plan.AcceptParams{DB: s.cfg.DB, Client: s.cfg.Client, Site: st.Site, BatchID: b.Batch})
	}
	takeOver := r.PostFormValue("take_over") != ""
	if !st.Stale(plan.MaxAge) && !takeOver {
		return done{text: "Applied: its rows are queued for the workers.", rows: b.Pending}, accept(ctx)
	}
	d := db.AuditEntry{Who: current(r).who, Via: "dashboard", Action: "apply, after reading the site", Subject: db.BatchSubject(b.Batch)}
	if !s.compare(st.Site, b.Batch, takeOver, func(ctx context.Context) error {
		return s.cfg.DB.Audit(ctx, d, func(ctx context.Context) (int64, error) { return -1, accept(ctx) })
	}) {
		return nothingDone(), errReading
	}
	return done{text: "Reading the site again; then the plan is applied.", rows: -1}, nil
}

func (s *Server) discardPlan(ctx context.Context, _ *http.Request, b db.BatchStatus) (done, error) {
	if err := s.cfg.DB.Discard(ctx, b.Batch); err != nil {
		return nothingDone(), err
	}
	s.background.end(b.Batch, nil)
	return done{text: "The plan is discarded.", rows: b.Total}, nil
}

// undoBatch makes a plan that restores the values from before a batch.
func (s *Server) undoBatch(ctx context.Context, _ *http.Request, b db.BatchStatus) (done, error) {
	if b.Status == "planned" {
		return nothingDone(), fmt.Errorf("batch %d is a plan: none of it was sent", b.Batch)
	}
	undone, err := s.cfg.DB.Undo(ctx, db.UndoParams{BatchID: b.Batch})
	if err != nil {
		return nothingDone(), err
	}
	site, err := s.cfg.DB.SiteByName(ctx, b.Site)
	if err != nil {
		return nothingDone(), err
	}
	out := done{text: "This plan restores the values from before.", rows: undone.Rows, next: batchPath(undone.BatchID)}
	if undone.NoBefore > 0 {
		out.text += " " + text.Plural(undone.NoBefore, "row", "rows") + " can't be restored: their earlier values were never read."
	}
	s.compare(site, undone.BatchID, false, nil)
	return out, nil
}

// forget drops a batch's cached figures after a change.
func (s *Server) forget(id int64) {
	s.figures.forget(id)
	s.plans.forget(id)
}
