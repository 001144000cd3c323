package plan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sourcegraph/conc/pool"

	"relabel/db"
	"relabel/internal/report"
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

	// maxPasses is how often the pages are read while assets come and go.
	maxPasses = 3

	// siteTries is how many assets are asked which site they are of, when nobody
	// has said it: the first ones may be gone.
	siteTries = 20

	// targetChunk is how many targets are looked up at once.
	targetChunk = 1000
)

// Pass is one reading of a site: how far it is.
type Pass struct {
	Since time.Time      `json:"since"` // its beginning, by the database's clock
	Pages map[string]int `json:"pages"` // by locale: so many assets, from the first, are read

	// Totals are the assets of the site, by locale, as a page told last: where it
	// is another one later, assets have come or gone.
	Totals map[string]int `json:"totals"`
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
		r.pass = Pass{Since: p.Resume.Since, Pages: maps.Clone(p.Resume.Pages), Totals: maps.Clone(p.Resume.Totals)}
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
	if r.pass.Totals == nil {
		r.pass.Totals = map[string]int{}
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
	unread, err := r.unread(ctx, locale)
	if err == nil && unread > 1 && r.siteID == "" {
		unread, err = r.learnSite(ctx, locale)
	}
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
// them had, where they are few. Where assets have come or gone meanwhile, one may
// have moved to a page that was read before: then many are asked for too if that
// is cheaper than all pages once more.
func (r *reading) readPages(ctx context.Context, locale string, next, total int) error {
	for range maxPasses {
		now, shifted, err := r.pages(ctx, locale, next, total)
		if err != nil {
			return err
		}
		unread, err := r.unread(ctx, locale)
		switch {
		case err != nil:
			return err
		case unread <= confirmed, shifted && unread <= pagesOf(now):
			return r.getEach(ctx, locale)
		case !shifted:
			return nil
		}
		next, total = 0, now
	}
	return nil
}

func pagesOf(assets int) int { return (max(assets, 0) + webflow.MaxPage - 1) / webflow.MaxPage }

func (r *reading) unread(ctx context.Context, locale string) (int, error) {
	n, err := r.DB.CountUnread(ctx, r.batchID, locale, r.pass.Since)
	return int(n), err
}

// pages reads the pages from offset on. It tells how many assets the site has by
// now, and whether assets have come or gone since the pass began.
func (r *reading) pages(ctx context.Context, locale string, offset, total int) (now int, shifted bool, err error) {
	r.listed = true
	if before, ok := r.pass.Totals[locale]; ok && offset > webflow.MaxPage {
		shifted = before != total
	}
	first := total
	r.expect(pagesOf(total - offset))
	for offset < total {
		end := min(offset+wave*webflow.MaxPage, pagesOf(total)*webflow.MaxPage)
		got, err := r.wave(ctx, locale, offset, end)
		if err != nil {
			return 0, false, err
		}
		if offset, total = end, got.total; got.assets == 0 {
			offset = total // beyond the last one, whatever the API says of their number
		}
		shifted = shifted || total != first
		if err := r.checkpoint(ctx, locale, offset, total); err != nil {
			return 0, false, err
		}
	}
	return total, shifted, nil
}

// page is what came of one, or of several.
type page struct{ assets, total int }

// wave reads the pages from one offset to another, some at a time.
func (r *reading) wave(ctx context.Context, locale string, from, to int) (sum page, err error) {
	pages := make([]page, pagesOf(to-from))
	p := pool.New().WithContext(ctx).WithMaxGoroutines(atOnce).WithCancelOnError().WithFirstError()
	for i := range pages {
		p.Go(func(ctx context.Context) (err error) {
			pages[i], err = r.page(ctx, locale, from+i*webflow.MaxPage)
			return err
		})
	}
	if err := p.Wait(); err != nil {
		return page{}, err
	}
	for _, p := range pages {
		sum = page{sum.assets + p.assets, p.total}
	}
	r.counted(len(pages))
	return sum, nil
}

func (r *reading) firstPage(ctx context.Context, locale string) (total int, err error) {
	r.listed = true
	p, err := r.page(ctx, locale, 0)
	r.counted(1)
	return p.total, err
}

// page reads one page and records it.
func (r *reading) page(ctx context.Context, locale string, offset int) (page, error) {
	res, err := r.Reader.ListAssets(ctx, webflow.ListAssetsParams{SiteID: r.siteID, LocaleID: locale, Offset: offset})
	if err != nil {
		return page{}, r.explain("reading the site's assets", err)
	}
	states := make([]db.AssetState, 0, len(res.Assets))
	seen := map[string]bool{}
	for _, a := range res.Assets {
		if webflow.IsObjectID(a.ID) && !seen[a.ID] {
			states = append(states, stateOf(a, locale, r.pass.Since))
		}
		seen[a.ID] = true
	}
	return page{len(res.Assets), res.Total}, r.DB.SaveStates(ctx, r.site.ID, states)
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
		return a, r.explain(fmt.Sprintf("reading asset %s", assetID), err)
	}
	return a, r.DB.SaveStates(ctx, r.site.ID, []db.AssetState{state})
}

// learnSite finds the site's id, which nobody has set, in one of its assets. It
// tells how many targets are unread then.
func (r *reading) learnSite(ctx context.Context, locale string) (unread int, err error) {
	targets, err := r.DB.UnreadTargets(ctx, r.batchID, locale, r.pass.Since, 0, siteTries)
	if err != nil {
		return 0, err
	}
	r.gotten = true
	for _, t := range targets {
		a, err := r.get(ctx, t.AssetID, locale)
		if err != nil {
			return 0, err
		}
		r.counted(1)
		if webflow.IsObjectID(a.SiteID) {
			r.siteID = a.SiteID
			break
		}
	}
	if unread, err = r.unread(ctx, locale); err == nil && unread > 1 && r.siteID == "" && r.Notice != nil {
		r.Notice("the site's id is not known, so each asset is asked for by itself; " + r.setSiteID() + " makes that 100 a call")
	}
	return unread, err
}

func (r *reading) setSiteID() string {
	return "`relabel site set" + report.SiteFlag(r.site.Name) + " --site-id ID`"
}

func (r *reading) checkpoint(ctx context.Context, locale string, offset, total int) error {
	r.pass.Pages[locale], r.pass.Totals[locale] = offset, total
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
