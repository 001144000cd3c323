package siteread

import (
	"context"
	"errors"
	"fmt"

	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/webflow"
)

// pages reads the pages from offset on. It returns how many assets the site has by
// now, and whether assets have come or gone since the pass began.
func (s *scan) pages(ctx context.Context, locale string, offset, total int) (now int, shifted bool, err error) {
	s.listed = true
	if before, ok := s.pass.Totals[locale]; ok && offset > webflow.MaxPage {
		shifted = before != total
	}
	first := total
	s.expect(pagesOf(total - offset))
	for offset < total {
		end := min(offset+wave*webflow.MaxPage, pagesOf(total)*webflow.MaxPage)
		got, err := s.wave(ctx, locale, offset, end)
		if err != nil {
			return 0, false, err
		}
		if offset, total = end, got.total; got.assets == 0 {
			offset = total // beyond the last one, whatever the API says of their number
		}
		shifted = shifted || total != first
		if err := s.checkpoint(ctx, locale, offset, total); err != nil {
			return 0, false, err
		}
	}
	return total, shifted, nil
}

// page counts the assets of one page, or of several.
type page struct{ assets, total int }

// wave reads the pages from one offset to another, some at a time.
func (s *scan) wave(ctx context.Context, locale string, from, to int) (sum page, err error) {
	pages := make([]page, pagesOf(to-from))
	p := pool.New().WithContext(ctx).WithMaxGoroutines(atOnce).WithCancelOnError().WithFirstError()
	for i := range pages {
		p.Go(func(ctx context.Context) (err error) {
			pages[i], err = s.page(ctx, locale, from+i*webflow.MaxPage)
			return err
		})
	}
	if err := p.Wait(); err != nil {
		return page{}, err
	}
	for _, p := range pages {
		sum = page{sum.assets + p.assets, p.total}
	}
	return sum, nil
}

func (s *scan) firstPage(ctx context.Context, locale string) (total int, err error) {
	s.listed = true
	p, err := s.page(ctx, locale, 0)
	return p.total, err
}

// page reads one page and records it.
func (s *scan) page(ctx context.Context, locale string, offset int) (page, error) {
	res, err := s.listAssets(ctx, webflow.ListAssetsParams{SiteID: s.siteID, LocaleID: locale, FolderID: s.folder, Offset: offset})
	if err != nil {
		return page{}, s.explain("reading the site's assets", err)
	}
	s.counted()
	states := make([]db.AssetState, 0, len(res.Assets))
	seen := map[string]bool{}
	for _, a := range res.Assets {
		if webflow.IsObjectID(a.ID) && !seen[a.ID] {
			state := s.stateOf(a, locale, s.pass.Since)
			state.Listed = true
			states = append(states, state)
		}
		seen[a.ID] = true
	}
	return page{len(res.Assets), res.Total}, s.cfg.DB.SaveStates(ctx, s.site().ID, states)
}

// getEach reads what is still unread, target by target.
func (s *scan) getEach(ctx context.Context, locale string) error {
	for after := int64(0); ; {
		targets, err := s.cfg.DB.UnreadTargets(ctx, s.batchID, locale, s.pass.Since, after, targetChunk)
		if err != nil || len(targets) == 0 {
			return err
		}
		after, s.gotten = targets[len(targets)-1].RenameID, true
		s.expect(len(targets))
		p := pool.New().WithContext(ctx).WithMaxGoroutines(atOnce).WithCancelOnError().WithFirstError()
		for _, t := range targets {
			p.Go(func(ctx context.Context) error {
				_, err := s.get(ctx, t.AssetID, locale)
				return err
			})
		}
		if err := p.Wait(); err != nil {
			return err
		}
	}
}

// get reads one target and records it, or that it does not exist.
func (s *scan) get(ctx context.Context, assetID, locale string) (webflow.Asset, error) {
	a, err := s.getAsset(ctx, webflow.GetAssetParams{AssetID: assetID, LocaleID: locale})
	state := s.stateOf(a, locale, s.pass.Since)
	var e *webflow.Error
	switch {
	case errors.As(err, &e) && e.Kind == webflow.KindNotFound:
		state = db.AssetState{AssetID: assetID, LocaleID: locale, Gone: true, ReadAt: s.pass.Since}
	case err != nil:
		return a, s.explain(fmt.Sprintf("reading asset %s", assetID), err)
	}
	s.counted()
	return a, s.cfg.DB.SaveStates(ctx, s.site().ID, []db.AssetState{state})
}
