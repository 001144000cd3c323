package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/report"
	"relabel/internal/webflow"
	"relabel/jobs"
)

const (
	// siteTries is how many assets are asked which site they are of: the first ones
	// may be gone.
	siteTries = 5

	// primaryTime bounds the asking: the load's transaction waits for it, and its
	// answer is no condition of the load.
	primaryTime = time.Minute
)

// ReadPrimary asks for the id of the site's primary locale, and keeps it: one Get
// Site call through the throttle. Where nobody has said which site it is, one of
// its assets tells.
func ReadPrimary(ctx context.Context, d *db.DB, reader *jobs.Reader, assets []string) (id string, err error) {
	site := reader.Site()
	siteID := ""
	if site.WebflowSiteID != nil {
		siteID = *site.WebflowSiteID
	} else if siteID, err = siteOf(ctx, reader, assets); err != nil {
		return "", err
	}
	locales, err := readLocales(ctx, d, reader, siteID)
	if err != nil {
		return "", err
	}
	return locales.primary(), nil
}

func siteOf(ctx context.Context, reader *jobs.Reader, assets []string) (string, error) {
	for _, id := range assets {
		a, err := reader.GetAsset(ctx, webflow.GetAssetParams{AssetID: id})
		if e := (*webflow.Error)(nil); errors.As(err, &e) && e.Kind == webflow.KindNotFound {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("error reading asset %s: %w", id, err)
		}
		if webflow.IsObjectID(a.SiteID) {
			return a.SiteID, nil
		}
	}
	return "", fmt.Errorf("no asset tells which site it is of; `relabel site set%s --site-id ID` does", report.SiteFlag(reader.Site().Name))
}

// primaryLocale maps the primary locale's own id to the empty one, for a source
// with locale_id and without locale: both mean one target.
type primaryLocale struct {
	wanted bool
	asked  bool
	id     string // empty: not known, or there is none
}

// usePrimary prepares for a source whose locales are ids.
func (l *loader) usePrimary(ctx context.Context) (err error) {
	l.primary.wanted = true
	l.primary.id, err = l.DB.PrimaryLocale(ctx, l.Site.ID)
	return err
}

// mapPrimary does it for the first of some rows.
func (l *loader) mapPrimary(ctx context.Context, rows []intake.Row) error {
	row := &rows[0]
	if !l.primary.wanted || row.LocaleID == "" || row.Refused() {
		return nil
	}
	if l.primary.id == "" && !l.primary.asked {
		if err := l.askPrimary(ctx, rows); err != nil {
			return err
		}
	}
	if row.LocaleID == l.primary.id {
		row.LocaleID = ""
	}
	return nil
}

// askPrimary asks once. Without an answer the load goes on: a token may well
// rename and not read.
func (l *loader) askPrimary(ctx context.Context, rows []intake.Row) error {
	l.primary.asked = true
	if l.Primary == nil {
		return nil
	}
	var assets []string
	for i := 0; i < len(rows) && len(assets) < siteTries; i++ {
		if !rows[i].Refused() {
			assets = append(assets, rows[i].AssetID)
		}
	}
	asking, cancel := context.WithTimeout(ctx, primaryTime)
	defer cancel()
	id, err := l.Primary(asking, assets)
	l.primary.id = id
	if err != nil && ctx.Err() == nil {
		l.Notice("the primary locale's id is not known (" + whyNotRead(err) +
			"): rows that give it count as of another locale than rows without one; leave locale_id blank for the primary locale")
	}
	return ctx.Err()
}

func whyNotRead(err error) string {
	if e := (*webflow.Error)(nil); errors.As(err, &e) && e.Kind == webflow.KindForbidden {
		return "the token may not read, 403: it needs the scope sites:read"
	}
	return err.Error()
}
