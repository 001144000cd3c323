package usecase

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/siteread"
)

// shownFindings is how many rows of each kind a verification shows.
const shownFindings = 5

// Verified is what a verification found.
type Verified struct {
	Batch      int64        `json:"batch"`
	Name       string       `json:"name"`
	Site       string       `json:"site"`
	Rows       int64        `json:"rows"` // those that succeeded
	Asked      int64        `json:"asked"`
	Normalised int64        `json:"normalised"`
	Renamed    int64        `json:"renamed"`
	Changed    int64        `json:"changed"`
	Gone       int64        `json:"gone"`
	ReadBy     string       `json:"read_by"`
	Reads      int64        `json:"reads"`
	ReadAt     time.Time    `json:"read_at"`
	Examples   []db.Finding `json:"examples"` // the first ones of each kind but asked
}

// Verify reads the site, and compares it with the rows of a batch that succeeded.
func (s *Service) Verify(ctx context.Context, batchID int64, p siteread.Params) (Verified, error) {
	b, err := records.Batch(ctx, s.DB, batchID)
	if err == nil {
		err = sentBatch(b)
	}
	if err != nil {
		return Verified{}, err
	}
	site, err := s.DB.SiteByName(ctx, b.Site)
	if err != nil {
		return Verified{}, err
	}
	reading, err := s.readBatch(ctx, site, batchID, p)
	if err != nil {
		return Verified{}, err
	}
	v := Verified{
		Batch: batchID, Name: b.Name, Site: b.Site, ReadBy: reading.By, Reads: reading.Calls, ReadAt: reading.Since,
		Examples: []db.Finding{},
	}
	return v, v.count(ctx, s.DB)
}

// count also gathers examples of what is not as asked.
func (v *Verified) count(ctx context.Context, d *db.DB) error {
	counts, err := d.CountFound(ctx, v.Batch, v.ReadAt)
	if err != nil {
		return err
	}
	by := map[string]*int64{
		"asked": &v.Asked, "normalised": &v.Normalised, "renamed": &v.Renamed, "changed": &v.Changed, "gone": &v.Gone,
	}
	for _, c := range counts {
		*by[c.Found] = c.Rows
		v.Rows += c.Rows
	}
	for _, kind := range []string{"changed", "gone", "normalised", "renamed"} {
		if *by[kind] == 0 {
			continue
		}
		for f, err := range d.Findings(ctx, v.Batch, v.ReadAt, []string{kind}, shownFindings) {
			if err != nil {
				return err
			}
			v.Examples = append(v.Examples, f)
		}
	}
	return nil
}
