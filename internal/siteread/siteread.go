// Package siteread reads what a Webflow site holds: its assets and its locales.
// Nothing here renames anything.
//
// A Reader makes the calls, through the site's lane: reads count against the same
// rate limit as renames. ReadBatch reads the targets of a batch in the cheaper way,
// page by page or asset by asset, and ReadSite reads all assets. Both save what they
// read in the table asset_state; callers compare with that table, as of
// Reading.Since. A complete reading is recorded in site_reading, so that it can be used
// again. ReadFolders saves the site's folders in asset_folder. Locales looks up the
// site's locales by their tags.
//
//	r, err := siteread.New(ctx, siteread.Config{DB: d, Site: site, …})
//	defer r.Close()
//	reading, err := r.ReadBatch(ctx, batch, siteread.Params{Progress: show})
package siteread

import (
	"context"
	"time"

	"relabel/internal/webflow"
)

// Reading is a complete reading of a site. Its states are in asset_state.
type Reading struct {
	Since time.Time // the states are as of then or newer, by the database's clock
	By    string    // list, get or both
	Calls int64
}

// Params of a reading. All may be nil.
type Params struct {
	Progress func(calls, total int) // total may grow
	Notice   func(error)            // what a person should know, although the reading goes on

	// Resume continues an interrupted reading. Checkpoint is called with how far
	// the reading is, so that it can be resumed from there.
	Resume     *Pass
	Checkpoint func(context.Context, Pass) error
}

// ReadBatch reads the state of a batch's targets: all of a plan's, and of other
// batches those of rows that succeeded. It costs a call for 100 assets of the site
// and locale, or one for each target where that is less.
func (r *Reader) ReadBatch(ctx context.Context, batchID int64, p Params) (Reading, error) {
	s, err := r.begin(ctx, batchID, p)
	if err != nil {
		return Reading{}, err
	}
	locales, err := r.cfg.DB.Targets(ctx, batchID)
	if err != nil {
		return Reading{}, err
	}
	for _, l := range locales {
		if err := s.readTargets(ctx, l.LocaleID); err != nil {
			return Reading{}, err
		}
	}
	return s.reading(), nil
}

// ReadSite reads all assets of the site, in each of some locales ("" is the
// primary one): a call for 100 assets and locale.
func (r *Reader) ReadSite(ctx context.Context, locales []string, p Params) (Reading, error) {
	return r.ReadBelow(ctx, "", locales, p)
}

// ReadBelow is ReadSite for the assets of a folder and of all folders below it.
func (r *Reader) ReadBelow(ctx context.Context, folderID string, locales []string, p Params) (Reading, error) {
	s, err := r.begin(ctx, 0, p)
	if err != nil {
		return Reading{}, err
	}
	s.folder = folderID
	if s.siteID == "" {
		return Reading{}, &NoSiteError{Site: s.site().Name}
	}
	for _, locale := range locales {
		if err := s.readAll(ctx, locale); err != nil {
			return Reading{}, err
		}
	}
	return s.reading(), nil
}

// readAll reads the pages once, and again if assets have come or gone meanwhile.
func (s *scan) readAll(ctx context.Context, locale string) error {
	total, err := s.firstPage(ctx, locale)
	if err != nil {
		return err
	}
	next := max(s.pass.Pages[locale], webflow.MaxPage)
	for range maxPasses {
		now, shifted, err := s.pages(ctx, locale, next, total)
		if err != nil {
			return err
		}
		if !shifted {
			return s.complete(ctx, locale, now)
		}
		next, total = 0, now
	}
	s.notice(errShifted)
	return nil
}
