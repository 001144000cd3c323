package usecase

import (
	"context"
	"slices"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/records"
	"relabel/internal/siteread"
)

// Replaceable returns the site of a batch that has something left to replace.
func (s *Service) Replaceable(ctx context.Context, batchID int64) (db.Site, error) {
	b, err := records.Batch(ctx, s.DB, batchID)
	if err != nil {
		return db.Site{}, err
	}
	if err := sentBatch(b); err != nil {
		return db.Site{}, err
	}
	if !b.Status.Open() {
		return db.Site{}, &EndedError{Batch: batchID, Status: b.Status}
	}
	return s.DB.SiteByName(ctx, b.Site)
}

// Replacement is a plan that can take the place of what is left of a batch.
type Replacement struct {
	records.Replacement
	BatchID int64 // the plan
	Site    db.Site
}

// PlanReplacement stores a source as a plan and counts how it differs from an open
// batch. It goes by relabel's own record of what it sent; with snapshot, or if the
// source has the column expected_name, it reads the site.
func (s *Service) PlanReplacement(ctx context.Context, by Actor, p LoadParams, old int64, snapshot bool, reading siteread.Params) (Replacement, error) {
	p.Planned = true
	opened := p.withDefaults().Opened
	p.Opened = func(info intake.Info) {
		snapshot = snapshot || slices.Contains(info.Columns, "expected_name")
		opened(info)
	}
	res, err := s.Load(ctx, by, p)
	out := Replacement{BatchID: res.BatchID, Site: p.Site}
	if err != nil {
		return out, err
	}
	if snapshot {
		err = s.compare(ctx, p.Site, res.BatchID, CompareParams{Loaded: res, Params: reading})
	} else {
		err = s.DB.CompareWithRecord(ctx, res.BatchID)
	}
	if err == nil {
		out.Replacement, err = records.Replacing(ctx, s.DB, res.BatchID, old)
	}
	if err != nil {
		err = s.drop(ctx, res.BatchID, err)
	}
	return out, err
}

// Replace ends what is left of a batch and queues the plan in its place.
func (s *Service) Replace(ctx context.Context, by Actor, r Replacement, old int64) error {
	e := records.AuditEntry{Action: "apply", Detail: "in place of " + records.BatchSubject(old)}
	if err := s.accept(ctx, by, e, db.ApplyParams{BatchID: r.BatchID, Replaces: old, Queue: s.queue(r.Site)}); err != nil {
		return err
	}
	return s.DB.EndCancelled(ctx, r.Site.ID)
}

// DropReplacement drops the plan: the batch stays as it was.
func (s *Service) DropReplacement(ctx context.Context, r Replacement) {
	_ = s.drop(ctx, r.BatchID, nil) // a failure is logged
}
