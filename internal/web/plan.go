package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"relabel/db"
	"relabel/internal/api"
	"relabel/internal/records"
	"relabel/internal/siteread"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// planData is what a plan would change.
type planData struct {
	usecase.Summary
	Compared bool
	Changes  []records.Change // one page
	Next     string
	First    string
	Looks    []string // what to check before applying it
}

func (s *Server) planData(r *http.Request, id int64) (*planData, error) {
	ctx := r.Context()
	sum, err := s.plans.get(id, "planned", s.cfg.Now(), func() (usecase.Summary, error) { return s.use.Summarise(ctx, id) })
	if errors.Is(err, db.ErrNotPlanned) { // applied a moment ago
		return nil, nil //nolint:nilnil // no longer a plan, which is not an error
	}
	if err != nil {
		return nil, err
	}
	d := &planData{Summary: sum, Compared: sum.PlannedAt != nil, Looks: looksOf(sum)}
	after, _ := strconv.ParseInt(r.URL.Query().Get("line"), 10, 64)
	if d.Changes, err = records.Changes(ctx, s.cfg.DB, id, after, onPage); err != nil {
		return nil, err
	}
	if n := len(d.Changes); n >= onPage {
		d.Next = fmt.Sprintf("?line=%d#plan", d.Changes[n-1].Line)
	}
	if after > 0 {
		d.First = "?#plan"
	}
	return d, nil
}

// looksOf is what often is a mistake in the source.
func looksOf(p usecase.Summary) []string {
	out := p.Warnings()
	if p.Unknown > 0 {
		out = append(out, text.Plural(p.Unknown, "row names an asset", "rows name assets")+" that the site does not have")
	}
	return out
}

// read reads the site for a plan in the background. It returns false if the site is
// already being read for this plan.
func (s *Server) read(id int64, fn func(context.Context, siteread.Params) error) bool {
	return s.background.start(id, func(ctx context.Context, progress func(calls, total int)) error {
		defer s.forget(id)
		return fn(ctx, siteread.Params{Progress: progress})
	})
}

// compare reads the site and compares a plan with it.
func (s *Server) compare(id int64) bool { return s.compareLoaded(usecase.Loaded{BatchID: id}) }

// compareLoaded is compare for a plan whose load may have read the site.
func (s *Server) compareLoaded(plan usecase.Loaded) bool {
	return s.read(plan.BatchID, func(ctx context.Context, p siteread.Params) error {
		return s.use.Compare(ctx, plan.BatchID, usecase.CompareParams{Loaded: plan, Params: p})
	})
}

// begin records the start of work that runs in the background.
func (s *Server) begin(ctx context.Context, by usecase.Actor, action string, id int64, start func() (bool, error)) error {
	return s.use.Record(ctx, by, records.AuditEntry{Action: action, Subject: records.BatchSubject(id)}, func(context.Context) (int64, error) {
		ok, err := start()
		if err == nil && !ok {
			err = api.ErrReading
		}
		return -1, err
	})
}

func (s *Server) compareAgain(ctx context.Context, by usecase.Actor, _ *http.Request, b records.BatchProgress) (done, error) {
	return done{text: "Reading the site."}, s.begin(ctx, by, "compare", b.Batch, func() (bool, error) {
		if _, err := s.cfg.DB.PlanState(ctx, b.Batch); err != nil {
			return false, err
		}
		return s.compare(b.Batch), nil
	})
}

// compareWithRecord is for a site without a token, or with one that may not read.
func (s *Server) compareWithRecord(ctx context.Context, by usecase.Actor, _ *http.Request, b records.BatchProgress) (done, error) {
	return done{text: "Comparing with relabel's own record of what it sent; the site is not read."},
		s.begin(ctx, by, "record", b.Batch, func() (bool, error) { return s.compareRecord(b.Batch), nil })
}

// compareRecord works in the background, because it looks at each row.
func (s *Server) compareRecord(id int64) bool {
	return s.read(id, func(ctx context.Context, _ siteread.Params) error { return s.cfg.DB.CompareWithRecord(ctx, id) })
}

// applyPlan queues a plan. An old plan is first compared with the site again, in the
// background.
func (s *Server) applyPlan(ctx context.Context, by usecase.Actor, r *http.Request, b records.BatchProgress) (done, error) {
	later, err := s.apply(ctx, by, usecase.ApplyParams{BatchID: b.Batch, TakeOver: r.PostFormValue("take_over") != ""})
	if later {
		return done{text: "Reading the site again; then the plan is applied."}, err
	}
	return done{text: "Applied: its rows are queued for the workers."}, err
}

// apply queues a plan, or begins to read its site, after which the plan is applied.
func (s *Server) apply(ctx context.Context, by usecase.Actor, p usecase.ApplyParams) (later bool, err error) {
	fresh, err := s.use.Fresh(ctx, p.BatchID, p.TakeOver)
	if fresh {
		p.AsShown = true
		return false, s.use.Apply(ctx, by, p)
	}
	return true, s.begin(ctx, by, "apply", p.BatchID, func() (bool, error) {
		if err != nil {
			return false, err
		}
		p.Later = true
		return s.read(p.BatchID, func(ctx context.Context, reading siteread.Params) error {
			p.Reading = reading
			return s.use.Apply(ctx, by, p)
		}), nil
	})
}

func (s *Server) discardPlan(ctx context.Context, by usecase.Actor, _ *http.Request, b records.BatchProgress) (done, error) {
	if err := s.use.Discard(ctx, by, b.Batch); err != nil {
		return done{}, err
	}
	s.background.end(b.Batch, nil)
	return done{text: "The plan is discarded."}, nil
}

// undoBatch makes a plan that restores the values from before a batch.
func (s *Server) undoBatch(ctx context.Context, by usecase.Actor, _ *http.Request, b records.BatchProgress) (done, error) {
	undone, err := s.use.PlanUndo(ctx, by, db.UndoParams{BatchID: b.Batch})
	if err != nil {
		return done{}, err
	}
	out := done{text: "This plan restores the values from before.", next: batchPath(undone.BatchID)}
	if undone.NoBefore > 0 {
		out.text += " " + text.Plural(undone.NoBefore, "row", "rows") + " can't be restored: their earlier values were never read."
	}
	s.compare(undone.BatchID)
	return out, nil
}

// forget drops a batch's cached figures after a change.
func (s *Server) forget(id int64) {
	s.figures.forget(id)
	s.plans.forget(id)
}
