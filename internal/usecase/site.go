package usecase

import (
	"context"

	"relabel/db"
	"relabel/internal/records"
)

// PauseSite sends nothing more for a site until it is resumed.
func (s *Service) PauseSite(ctx context.Context, by Actor, site db.Site) error {
	return s.Record(ctx, by, records.AuditEntry{Action: "pause", Subject: "site " + site.Name}, func(ctx context.Context) (int64, error) {
		_, err := s.DB.PauseSite(ctx, site.ID, true)
		return -1, err
	})
}

// ResumeSite continues a parked or paused site; it returns whether it was either.
func (s *Service) ResumeSite(ctx context.Context, by Actor, site db.Site) (changed bool, err error) {
	err = s.Record(ctx, by, records.AuditEntry{Action: "resume", Subject: "site " + site.Name}, func(ctx context.Context) (int64, error) {
		parked, err := s.DB.UnparkSite(ctx, site.ID)
		if err != nil {
			return -1, err
		}
		paused, err := s.DB.PauseSite(ctx, site.ID, false)
		changed = parked || paused
		return -1, err
	})
	return changed, err
}
