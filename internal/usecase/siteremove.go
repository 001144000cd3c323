package usecase

import (
	"context"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/retention"
)

// SiteContents counts what RemoveSite would delete. It fails as RemoveSite does while
// something needs the site.
func (s *Service) SiteContents(ctx context.Context, site db.Site) ([]retention.Count, error) {
	if err := s.DB.CheckRemovable(ctx, site); err != nil {
		return nil, err
	}
	return s.deleteContents(ctx, site, true)
}

// RemoveSite deletes a site with its batches and everything else that it has; the audit log
// stays. The site goes last, so the same call goes on after one that failed. What is loaded
// meanwhile stays, and the site with it: that is a db.SiteUsedError too.
func (s *Service) RemoveSite(ctx context.Context, by Actor, site db.Site) (counts []retention.Count, err error) {
	e := records.AuditEntry{Action: "remove", Subject: "site " + site.Name}
	err = s.Record(ctx, by, e, func(ctx context.Context) (int64, error) {
		if err := s.DB.CheckRemovable(ctx, site); err != nil {
			return -1, err
		}
		if counts, err = s.deleteContents(ctx, site, false); err == nil {
			err = s.DB.RemoveSite(ctx, site)
		}
		return retention.Total(counts), err
	})
	return counts, err
}

func (s *Service) deleteContents(ctx context.Context, site db.Site, dryRun bool) ([]retention.Count, error) {
	now, err := s.DB.Now(ctx)
	if err != nil {
		return nil, err
	}
	return retention.Prune(ctx, retention.Params{DB: s.DB, SiteID: site.ID, Before: now, Whole: true, DryRun: dryRun})
}
