package siteread

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"relabel/internal/webflow"
)

const (
	// atOnce is how many reads are in flight: the limit is used fully up to an
	// answer's time of 4 s at 120 calls a minute.
	atOnce = 8

	// wave is how many pages are read between two checkpoints.
	wave = 16

	// confirmed is up to how many targets that no page had are read one by one: a
	// page may miss an asset when others come and go meanwhile.
	confirmed = 20

	// maxPasses is how often the pages are read while assets come and go.
	maxPasses = 3

	// siteTries is how many assets are read to find the site's id, if it is not set:
	// the first ones may be gone.
	siteTries = 20

	// targetChunk is how many targets are looked up at once.
	targetChunk = 1000
)

// Pass is how far a reading of a site is, so that it can be resumed. Runs of
// schedules store it as JSON.
type Pass struct {
	Since time.Time      `json:"since"` // its beginning, by the database's clock
	Pages map[string]int `json:"pages"` // by locale: how many assets, from the first, are read

	// Totals are how many assets the site has, by locale, as the last page said. If
	// the number changes, assets have come or gone.
	Totals map[string]int `json:"totals"`
}

// errShifted is a notice.
var errShifted = errors.New("assets came and went each time the site was read: one may be missing")

// scan is a reading under way.
type scan struct {
	*Reader
	Params
	batchID int64  // 0: no batch, all assets
	siteID  string // Webflow's
	folder  string // only the assets in and below it; empty: all
	pass    Pass
	listed  bool
	gotten  bool

	mu    sync.Mutex // guards what follows, and calls of Progress: some calls are made at a time
	calls int
	total int // calls expected
}

func (r *Reader) begin(ctx context.Context, batchID int64, p Params) (*scan, error) {
	s := &scan{Reader: r, Params: p, batchID: batchID, pass: Pass{Pages: map[string]int{}, Totals: map[string]int{}}}
	if id := r.site().WebflowSiteID; id != nil {
		s.siteID = *id
	}
	s.expect(0)
	if p.Resume != nil && !p.Resume.Since.IsZero() {
		s.pass.Since = p.Resume.Since
		maps.Copy(s.pass.Pages, p.Resume.Pages)
		maps.Copy(s.pass.Totals, p.Resume.Totals)
		return s, nil
	}
	var err error
	s.pass.Since, err = r.cfg.DB.Now(ctx)
	return s, err
}

func (s *scan) reading() Reading {
	by := "get"
	switch {
	case s.listed && s.gotten:
		by = "both"
	case s.listed, !s.gotten && s.Resume != nil: // all was read before
		by = "list"
	}
	return Reading{Since: s.pass.Since, By: by, Calls: int64(s.calls)}
}

// readTargets picks the cheaper way for what is not known yet: all pages of the
// site, or the targets one by one. The first page says how many pages there are.
func (s *scan) readTargets(ctx context.Context, locale string) error {
	unread, err := s.unread(ctx, locale)
	if err == nil && unread > 1 && s.siteID == "" {
		unread, err = s.learnSite(ctx, locale)
	}
	if err != nil {
		return err
	}
	if unread <= 1 || s.siteID == "" {
		return s.getEach(ctx, locale)
	}
	total, err := s.firstPage(ctx, locale)
	if err != nil {
		return err
	}
	next := max(s.pass.Pages[locale], webflow.MaxPage)
	if unread, err = s.unread(ctx, locale); err != nil {
		return err
	}
	if unread <= pagesOf(total-next) {
		return s.getEach(ctx, locale)
	}
	return s.readPages(ctx, locale, next, total)
}

// readPages reads all pages from next on, and then asks for targets that none of them had,
// if they are few or that is cheaper than all pages once more: where assets have come or
// gone meanwhile, one may have moved to a page that was read before. If as many came as
// went, as when a file is replaced, the totals don't show it.
func (s *scan) readPages(ctx context.Context, locale string, next, total int) error {
	for range maxPasses {
		now, shifted, err := s.pages(ctx, locale, next, total)
		if err == nil && !shifted {
			err = s.complete(ctx, locale, now)
		}
		if err != nil {
			return err
		}
		unread, err := s.unread(ctx, locale)
		switch {
		case err != nil:
			return err
		case unread <= max(confirmed, pagesOf(now)):
			return s.getEach(ctx, locale)
		case !shifted:
			return nil
		}
		next, total = 0, now
	}
	s.notice(errShifted)
	return nil
}

func pagesOf(assets int) int { return (max(assets, 0) + webflow.MaxPage - 1) / webflow.MaxPage }

func (s *scan) unread(ctx context.Context, locale string) (int, error) {
	n, err := s.cfg.DB.CountUnread(ctx, s.batchID, locale, s.pass.Since)
	return int(n), err
}

// learnSite finds the site's id in one of its assets, if it is not set. It returns
// how many targets are unread then.
func (s *scan) learnSite(ctx context.Context, locale string) (unread int, err error) {
	targets, err := s.cfg.DB.UnreadTargets(ctx, s.batchID, locale, s.pass.Since, 0, siteTries)
	if err != nil {
		return 0, err
	}
	s.gotten = true
	for _, t := range targets {
		a, err := s.get(ctx, t.AssetID, locale)
		if err != nil {
			return 0, err
		}
		if webflow.IsObjectID(a.SiteID) {
			s.siteID = a.SiteID
			break
		}
	}
	if unread, err = s.unread(ctx, locale); err == nil && unread > 1 && s.siteID == "" {
		s.notice(fmt.Errorf("each asset is read by itself, instead of 100 a call: %w", &NoSiteError{Site: s.site().Name}))
	}
	return unread, err
}

func (s *scan) notice(err error) {
	if s.Notice != nil {
		s.Notice(err)
	}
}

func (s *scan) checkpoint(ctx context.Context, locale string, offset, total int) error {
	s.pass.Pages[locale], s.pass.Totals[locale] = offset, total
	if s.Checkpoint == nil {
		return nil
	}
	return s.Checkpoint(ctx, s.pass)
}

// expect sets how many calls are still to make; 0: the first answer says.
func (s *scan) expect(calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total = s.calls + calls
	s.show()
}

// counted counts a call as it ends: at a low limit the next one may be a minute away.
func (s *scan) counted() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.total = max(s.total, s.calls)
	s.show()
}

func (s *scan) show() {
	if s.Progress != nil {
		s.Progress(s.calls, s.total)
	}
}
