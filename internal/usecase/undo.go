package usecase

import (
	"context"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/siteread"
)

// Undone is a plan that puts back what was before a batch.
type Undone struct {
	db.Undone
	Left    int64   // rows of the batch that may still be sent
	Summary Summary // of the plan, where it was compared with the site
}

// Undo stores the values before a batch as a plan, and compares it with the site. If
// that fails there is no plan, but the counts are right all the same.
func (s *Service) Undo(ctx context.Context, by Actor, p db.UndoParams, reading siteread.Params) (Undone, error) {
	b, err := records.Batch(ctx, s.DB, p.BatchID)
	if err != nil {
		return Undone{}, err
	}
	site, err := s.DB.SiteByName(ctx, b.Site)
	if err != nil {
		return Undone{}, err
	}
	if _, err := s.Site(site); err != nil { // before anything is stored
		return Undone{}, err
	}
	out, err := s.PlanUndo(ctx, by, p)
	if err != nil {
		return out, err
	}
	out.Summary, err = s.comparedPlan(ctx, site, out.BatchID, CompareParams{Params: reading})
	return out, err
}

// PlanUndo stores the plan alone: it must be compared with the site before it is
// applied.
func (s *Service) PlanUndo(ctx context.Context, by Actor, p db.UndoParams) (out Undone, err error) {
	err = s.onBatch(ctx, by, "undo", p.BatchID, func(ctx context.Context, b records.BatchProgress) (int64, error) {
		if err := sentBatch(b); err != nil {
			return -1, err
		}
		out.Left = b.Left()
		out.Undone, err = s.DB.Undo(ctx, p)
		return out.Rows, err
	})
	return out, err
}
