package plan

import (
	"context"
	"fmt"
	"time"

	"relabel/internal/webflow"
)

// Looked is a reading that is complete: what it brought is in asset_state.
type Looked struct {
	Since time.Time // the state is as of then, or newer: by the database's clock
	By    string    // list, get or both
	Reads int64     // calls
}

// Look reads the state of the targets of a batch, in the cheaper way: of a plan
// all, of other batches those that succeeded.
func (p *Planner) Look(ctx context.Context, batchID int64) (Looked, error) {
	r, err := p.read(ctx, batchID)
	if err != nil {
		return Looked{}, err
	}
	return r.looked(), nil
}

func (r *reading) looked() Looked {
	return Looked{Since: r.pass.Since, By: r.how(), Reads: int64(r.calls)}
}

// LookAtSite reads all assets of the site, in each of some locales ("" for the
// primary one): a call for 100 assets and locale.
func (p *Planner) LookAtSite(ctx context.Context, locales []string) (Looked, error) {
	r, err := p.begin(ctx, 0)
	if err != nil {
		return Looked{}, err
	}
	if r.siteID == "" {
		return Looked{}, fmt.Errorf("%w: nobody has said which one it is; %s does", ErrNoSite, r.setSiteID())
	}
	for _, locale := range locales {
		if err := r.readAll(ctx, locale); err != nil {
			return Looked{}, err
		}
	}
	return r.looked(), nil
}

// readAll reads the pages once, and again where assets have come or gone
// meanwhile.
func (r *reading) readAll(ctx context.Context, locale string) error {
	total, err := r.firstPage(ctx, locale)
	if err != nil {
		return err
	}
	next := max(r.pass.Pages[locale], webflow.MaxPage)
	for range maxPasses {
		now, shifted, err := r.pages(ctx, locale, next, total)
		if err != nil || !shifted {
			return err
		}
		next, total = 0, now
	}
	if r.Notice != nil {
		r.Notice("assets came and went each time the site was read: one may be missing")
	}
	return nil
}
