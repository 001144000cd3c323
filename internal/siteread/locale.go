package siteread

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"relabel/db"
	"relabel/internal/webflow"
)

// Locales are a site's locales, by whatever a cell may call them.
type Locales struct {
	ids map[string]string // in lower case: tag, subdirectory or id; empty: the primary locale
	cms map[string]string // cmsLocaleId: the tag it belongs to
	all []db.SiteLocale   // the primary one first
}

// Locales reads the site's locales with one call, and saves their tags.
func (r *Reader) Locales(ctx context.Context) (*Locales, error) {
	id := r.site().WebflowSiteID
	if id == nil {
		return nil, &LocalesError{Site: r.site().Name, Err: &NoSiteError{Site: r.site().Name}}
	}
	return r.localesOf(ctx, *id)
}

func (r *Reader) localesOf(ctx context.Context, siteID string) (*Locales, error) {
	answer, err := r.getSite(ctx, siteID)
	if err != nil {
		return nil, &LocalesError{Site: r.site().Name, Err: err}
	}
	locales := r.newLocales(answer)
	return locales, r.cfg.DB.KeepLocales(ctx, r.site().ID, locales.all)
}

// PrimaryLocale reads Webflow's id of the primary locale, and saves the locales. If
// the site's id is not set, it is taken from one of the assets. The answer is empty
// for a site without locales.
func (r *Reader) PrimaryLocale(ctx context.Context, assets []string) (id string, err error) {
	siteID := ""
	if known := r.site().WebflowSiteID; known != nil {
		siteID = *known
	} else if siteID, err = r.siteOf(ctx, assets); err != nil {
		return "", err
	}
	locales, err := r.localesOf(ctx, siteID)
	if err != nil {
		return "", err
	}
	return locales.primary(), nil
}

func (r *Reader) siteOf(ctx context.Context, assets []string) (string, error) {
	for _, id := range assets {
		a, err := r.getAsset(ctx, webflow.GetAssetParams{AssetID: id})
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
	return "", &NoSiteError{Site: r.site().Name}
}

func (r *Reader) newLocales(site webflow.Site) *Locales {
	l := &Locales{ids: map[string]string{}, cms: map[string]string{}}
	if p := site.Locales.Primary; p != nil {
		l.add(r.cleanLocale(*p), "")
	}
	for _, s := range site.Locales.Secondary {
		s = r.cleanLocale(s)
		l.add(s, s.ID)
	}
	return l
}

// cleanLocale cleans what is kept of a locale, or shown if a cell names none.
func (r *Reader) cleanLocale(l webflow.Locale) webflow.Locale {
	l.ID, l.Tag = r.clean(l.ID), r.clean(l.Tag)
	l.CMSLocaleID, l.Subdirectory = r.clean(l.CMSLocaleID), r.clean(l.Subdirectory)
	return l
}

func (l *Locales) add(from webflow.Locale, id string) {
	for _, name := range []string{from.ID, from.Tag, from.Subdirectory} {
		if name != "" {
			l.ids[strings.ToLower(name)] = id
		}
	}
	if from.CMSLocaleID != "" {
		l.cms[strings.ToLower(from.CMSLocaleID)] = from.Tag
	}
	one := db.SiteLocale{ID: id, Tag: from.Tag}
	if own := strings.ToLower(from.ID); id == "" && webflow.IsObjectID(own) {
		one.OwnID = own
	}
	l.all = append(l.all, one)
}

// primary is Webflow's id of the primary locale; empty on a site without any.
func (l *Locales) primary() string {
	for _, one := range l.all {
		if one.ID == "" {
			return one.OwnID
		}
	}
	return ""
}

// All are the ids of all locales; empty for the primary one, which comes first.
func (l *Locales) All() (ids []string) {
	for _, one := range l.all {
		ids = append(ids, one.ID)
	}
	return ids
}

// Resolve returns the id that a cell means. It makes no call, and is an
// intake.LocaleResolver. The error lists what the site has.
func (l *Locales) Resolve(cell string) (string, error) {
	key := strings.ToLower(strings.TrimSpace(cell))
	if id, ok := l.ids[key]; ok {
		return id, nil
	}
	if tag, ok := l.cms[key]; ok {
		return "", fmt.Errorf("this is the cmsLocaleId of %s, which the API takes for no locale: write %s", tag, tag)
	}
	var tags []string
	for _, one := range l.all {
		tags = append(tags, one.Tag)
	}
	return "", fmt.Errorf("the site has no such locale; it has %s", strings.Join(tags, ", "))
}
