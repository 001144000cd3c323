package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/webflow"
)

const (
	// atOnce is how many reads are in flight: the limit is used fully up to an
	// answer's time of 4 s at 120 calls a minute.
	atOnce = 8

	// wave is how many pages are read between two checkpoints.
	wave = 16

	// confirmed is how many targets that no page had are asked for one by one: a
	// page may miss an asset when others come and go meanwhile.
	confirmed = 20

	// targetChunk is how many targets are looked up at once.
	targetChunk = 1000
)

// Pass is one reading of a site: how far it is.
type Pass struct {
	Since time.Time      `json:"since"` // its beginning, by the database's clock
	Pages map[string]int `json:"pages"` // by locale: so many assets, from the first, are read
}

type reading struct {
	*Planner
	batchID int64 // 0: no batch, all assets
	site    db.Site
	siteID  string // Webflow's
	pass    Pass
	calls   int
	total   int // calls expected
	listed  bool
	gotten  bool
}

func (r *reading) how() string {
	switch {
	case r.listed && r.gotten:
		return "both"
	case r.listed:
		return "list"
	}
	return "get"
}

func (p *Planner) begin(ctx context.Context, batchID int64) (*reading, error) {
	r := &reading{Planner: p, batchID: batchID, site: p.Reader.Site()}
	if r.site.WebflowSiteID != nil {
		r.siteID = *r.site.WebflowSiteID
	}
	if p.Resume != nil && !p.Resume.Since.IsZero() {
		r.pass = Pass{Since: p.Resume.Since, Pages: maps.Clone(p.Resume.Pages)}
	} else {
		now, err := p.DB.Now(ctx)
		if err != nil {
			return nil, err
		}
		r.pass.Since = now
	}
	if r.pass.Pages == nil {
		r.pass.Pages = map[string]int{}
	}
	return r, nil
}

// read reads the state of all targets of a batch.
func (p *Planner) read(ctx context.Context, batchID int64) (*reading, error) {
	r, err := p.begin(ctx, batchID)
	if err != nil {
		return nil, err
	}
	locales, err := p.DB.Targets(ctx, batchID)
	if err != nil {
		return nil, err
	}
	for _, l := range locales {
		if err := r.readTargets(ctx, l.LocaleID); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// readTargets picks the cheaper way for what is not known yet: all pages of the
// site, or the targets one by one. The first page tells how many there are.
func (r *reading) readTargets(ctx context.Context, locale string) error {
	if r.siteID == "" {
		if err := r.learnSite(ctx, locale); err != nil {
			return err
		}
	}
	unread, err := r.unread(ctx, locale)
	if err != nil {
		return err
	}
	if unread <= 1 || r.siteID == "" {
		return r.getEach(ctx, locale)
	}
	total, err := r.firstPage(ctx, locale)
	if err != nil {
		return err
	}
	next := max(r.pass.Pages[locale], webflow.MaxPage)
	if unread, err = r.unread(ctx, locale); err != nil {
		return err
	}
	if unread <= pagesOf(total-next) {
		return r.getEach(ctx, locale)
	}
	return r.readPages(ctx, locale, next, total)
}

// readPages reads all pages from next on, and then asks for targets that none of
// them had, where they are few, or where pages have shifted.
func (r *reading) readPages(ctx context.Context, locale string, next, total int) error {
	shifted, err := r.pages(ctx, locale, next, total)
	if err != nil {
		return err
	}
	unread, err := r.unread(ctx, locale)
	if err != nil {
		return err
	}
	if unread <= confirmed || shifted && unread <= pagesOf(total) {
		return r.getEach(ctx, locale)
	}
	return nil
}

func pagesOf(assets int) int { return (max(assets, 0) + webflow.MaxPage - 1) / webflow.MaxPage }

func (r *reading) unread(ctx context.Context, locale string) (int, error) {
	n, err := r.DB.CountUnread(ctx, r.batchID, locale, r.pass.Since)
	return int(n), err
}

// pages reads the pages from offset on; shifted tells that the number of assets
// changed meanwhile, so that one may have moved to a page that was read before.
func (r *reading) pages(ctx context.Context, locale string, offset, total int) (shifted bool, err error) {
	first := total
	r.expect(pagesOf(total - offset))
	for offset < total {
		end := min(offset+wave*webflow.MaxPage, pagesOf(total)*webflow.MaxPage)
		totals := make([]int, pagesOf(end-offset))
		p := pool.New().WithContext(ctx).WithMaxGoroutines(atOnce).WithCancelOnError().WithFirstError()
		for i := range totals {
			p.Go(func(ctx context.Context) (err error) {
				totals[i], err = r.page(ctx, locale, offset+i*webflow.MaxPage)
				return err
			})
		}
		if err := p.Wait(); err != nil {
			return false, err
		}
		offset, total = end, totals[len(totals)-1]
		shifted = shifted || total != first
		r.counted(len(totals))
		if err := r.checkpoint(ctx, locale, offset); err != nil {
			return false, err
		}
	}
	return shifted, nil
}

func (r *reading) firstPage(ctx context.Context, locale string) (total int, err error) {
	r.listed = true
	total, err = r.page(ctx, locale, 0)
	r.counted(1)
	return total, err
}

// page reads one page and records it. It tells how many assets the site has.
func (r *reading) page(ctx context.Context, locale string, offset int) (total int, err error) {
	res, err := r.Reader.ListAssets(ctx, webflow.ListAssetsParams{SiteID: r.siteID, LocaleID: locale, Offset: offset})
	if err != nil {
		return 0, explain("reading the site's assets", err)
	}
	states := make([]db.AssetState, 0, len(res.Assets))
	seen := map[string]bool{}
	for _, a := range res.Assets {
		if webflow.IsObjectID(a.ID) && !seen[a.ID] {
			states = append(states, stateOf(a, locale, r.pass.Since))
		}
		seen[a.ID] = true
	}
	return res.Total, r.DB.SaveStates(ctx, r.site.ID, states)
}

// getEach asks for what is still unread, target by target.
func (r *reading) getEach(ctx context.Context, locale string) error {
	for after := int64(0); ; {
		targets, err := r.DB.UnreadTargets(ctx, r.batchID, locale, r.pass.Since, after, targetChunk)
		if err != nil || len(targets) == 0 {
			return err
		}
		after, r.gotten = targets[len(targets)-1].RenameID, true
		r.expect(len(targets))
		p := pool.New().WithContext(ctx).WithMaxGoroutines(atOnce).WithCancelOnError().WithFirstError()
		for _, t := range targets {
			p.Go(func(ctx context.Context) error {
				_, err := r.get(ctx, t.AssetID, locale)
				return err
			})
		}
		if err := p.Wait(); err != nil {
			return err
		}
		r.counted(len(targets))
	}
}

// get reads one target and records it, also that it is not there.
func (r *reading) get(ctx context.Context, assetID, locale string) (webflow.Asset, error) {
	a, err := r.Reader.GetAsset(ctx, webflow.GetAssetParams{AssetID: assetID, LocaleID: locale})
	state := stateOf(a, locale, r.pass.Since)
	var e *webflow.Error
	switch {
	case errors.As(err, &e) && e.Kind == webflow.KindNotFound:
		state = db.AssetState{AssetID: assetID, LocaleID: locale, Gone: true, ReadAt: r.pass.Since}
	case err != nil:
		return a, explain(fmt.Sprintf("reading asset %s", assetID), err)
	}
	return a, r.DB.SaveStates(ctx, r.site.ID, []db.AssetState{state})
}

// learnSite finds the site's id, which nobody has set, in one of its assets.
func (r *reading) learnSite(ctx context.Context, locale string) error {
	targets, err := r.DB.UnreadTargets(ctx, r.batchID, locale, r.pass.Since, 0, 1)
	if err != nil || len(targets) == 0 {
		return err
	}
	a, err := r.get(ctx, targets[0].AssetID, locale)
	r.counted(1)
	r.gotten = true
	r.siteID = a.SiteID
	return err
}

func (r *reading) checkpoint(ctx context.Context, locale string, offset int) error {
	r.pass.Pages[locale] = offset
	if r.Checkpoint == nil {
		return nil
	}
	return r.Checkpoint(ctx, r.pass)
}

// expect and counted keep the progress.
func (r *reading) expect(calls int) {
	r.total = r.calls + calls
	r.show()
}

func (r *reading) counted(calls int) {
	r.calls += calls
	r.total = max(r.total, r.calls)
	r.show()
}

func (r *reading) show() {
	if r.Progress != nil {
		r.Progress(r.calls, r.total)
	}
}
