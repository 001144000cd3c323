package usecase

import (
	"context"
	"errors"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/siteread"
)

// CompareParams of a comparison with the site.
type CompareParams struct {
	TakeOver bool   // make no conflict of what somebody changed
	Loaded   Loaded // by the load of the plan, if that has just read the site: nothing is read twice
	siteread.Params
}

// Compare reads the site and gives each row of a planned batch its value before and
// its status: what stays pending is what the plan will send.
func (s *Service) Compare(ctx context.Context, batchID int64, p CompareParams) error {
	st, err := s.DB.PlanState(ctx, batchID)
	if err != nil {
		return err
	}
	return s.compare(ctx, st.Site, batchID, p)
}

func (s *Service) compare(ctx context.Context, site db.Site, batchID int64, p CompareParams) error {
	before := int64(0)
	if p.Resume == nil && !p.Loaded.Since.IsZero() {
		p.Resume, before = &siteread.Pass{Since: p.Loaded.Since}, p.Loaded.Reads
	}
	reading, err := s.readBatch(ctx, site, batchID, p.Params)
	if err != nil {
		return err
	}
	return s.DB.Compare(ctx, db.CompareParams{
		BatchID: batchID, Since: reading.Since, ReadBy: reading.By, Reads: before + reading.Calls, TakeOver: p.TakeOver,
	})
}

func (s *Service) readBatch(ctx context.Context, site db.Site, batchID int64, p siteread.Params) (reading siteread.Reading, err error) {
	err = s.withReader(ctx, site, func(r *siteread.Reader) error {
		if reading, err = r.ReadBatch(ctx, batchID, p); err != nil {
			return &ReadError{Err: err}
		}
		return nil
	})
	return reading, err
}

// Plan loads a source as a plan, compares it with the site, and returns what it would
// do. Nothing is sent. A plan that can't be compared is dropped.
func (s *Service) Plan(ctx context.Context, by Actor, p LoadParams, reading siteread.Params) (Summary, error) {
	if _, err := s.Site(p.Site); err != nil { // before the source is read
		return Summary{}, err
	}
	p.Planned = true
	notice := p.withDefaults().Notice
	p.Notice = func(err error) {
		if !IsKeptNames(err) { // the summary has those that would change
			notice(err)
		}
	}
	res, err := s.Load(ctx, by, p)
	if err != nil {
		return Summary{}, err
	}
	return s.comparedPlan(ctx, p.Site, res.BatchID, CompareParams{Loaded: res, Params: reading})
}

// comparedPlan compares a new plan with the site, or drops it. A plan without any
// change is done at once, so that it does not wait for anybody.
func (s *Service) comparedPlan(ctx context.Context, site db.Site, batchID int64, p CompareParams) (Summary, error) {
	if err := s.compare(ctx, site, batchID, p); err != nil {
		return Summary{}, s.drop(ctx, batchID, err)
	}
	sum, err := s.Summarise(ctx, batchID)
	if err != nil {
		return sum, err
	}
	ended, err := s.DB.EndEmpty(ctx, batchID)
	if ended {
		sum.Status = db.BatchDone
	}
	return sum, err
}

// drop deletes a plan that is of no use, and returns why. Cancelled, it would stay in
// the lists as if somebody had wanted it.
func (s *Service) drop(ctx context.Context, batchID int64, why error) error {
	if err := s.DB.Forget(context.WithoutCancel(ctx), batchID); err != nil {
		s.Logger.Warn("the plan is left behind", "batch", batchID, "error", err)
	}
	return &NotDoneError{What: "there is no plan", Err: why}
}

// ErrExpected is a notice of what Enqueue does first.
var ErrExpected = errors.New("the source says which names it expects (expected_name): reading the site first")

// Enqueue loads a source and queues it. With snapshot, or if the source has the
// column expected_name, the site is read first, and the values before are kept.
func (s *Service) Enqueue(ctx context.Context, by Actor, p LoadParams, snapshot bool, reading siteread.Params) (batchID int64, err error) {
	p.Planned = snapshot
	res, err := s.Load(ctx, by, p)
	if err != nil || !res.Planned {
		return res.BatchID, err
	}
	if !snapshot {
		notice(reading, ErrExpected)
	}
	return res.BatchID, s.finishEnqueue(ctx, by, p.Site, res, reading)
}

// FinishEnqueue completes an Enqueue whose process was killed, or lost the database, after
// the rows were stored as a plan. Others may do the same at the same time: one of them queues
// the plan, and the error of the others is db.ErrNotPlanned.
func (s *Service) FinishEnqueue(ctx context.Context, by Actor, batchID int64, reading siteread.Params) error {
	st, err := s.DB.PlanState(ctx, batchID)
	if err != nil {
		return err
	}
	if !st.Stale(maxAge) { // only the queueing was missing
		return s.acceptEnqueued(ctx, by, st.Site, batchID)
	}
	return s.finishEnqueue(ctx, by, st.Site, Loaded{BatchID: batchID}, reading)
}

func (s *Service) finishEnqueue(ctx context.Context, by Actor, site db.Site, plan Loaded, reading siteread.Params) error {
	err := s.compare(ctx, site, plan.BatchID, CompareParams{Loaded: plan, Params: reading})
	switch {
	case errors.Is(err, db.ErrNotPlanned): // somebody else has queued or discarded it
		return err
	case err != nil:
		return s.drop(ctx, plan.BatchID, err)
	}
	return s.acceptEnqueued(ctx, by, site, plan.BatchID)
}

func (s *Service) acceptEnqueued(ctx context.Context, by Actor, site db.Site, batchID int64) error {
	return s.accept(ctx, by, records.AuditEntry{Action: "apply"}, db.ApplyParams{BatchID: batchID, Queue: s.queue(site)})
}
