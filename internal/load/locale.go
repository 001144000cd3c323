package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/report"
	"relabel/internal/webflow"
	"relabel/jobs"
)

// Locales are a site's locales, by whatever a cell may call them.
type Locales struct {
	ids map[string]string // in lower case: tag, subdirectory or id; empty: the primary locale
	cms map[string]string // cmsLocaleId: the tag it belongs to
	all []db.SiteLocale   // the primary one first
}

// ReadLocales asks for the site's locales: one Get Site call through the
// throttle. Their tags are kept.
func ReadLocales(ctx context.Context, d *db.DB, reader *jobs.Reader) (*Locales, error) {
	site := reader.Site()
	if site.WebflowSiteID == nil {
		return nil, fmt.Errorf("the site's locales are asked for by its id: say which site it is with `relabel site set%s --site-id ID`, or give locale_id instead of locale",
			report.SiteFlag(site.Name))
	}
	return readLocales(ctx, d, reader, *site.WebflowSiteID)
}

func readLocales(ctx context.Context, d *db.DB, reader *jobs.Reader, siteID string) (*Locales, error) {
	site := reader.Site()
	answer, err := reader.GetSite(ctx, siteID)
	if err != nil {
		return nil, fmt.Errorf("error reading the locales of site %s: %w", site.Name, err)
	}
	locales := newLocales(answer)
	return locales, d.KeepLocales(ctx, site.ID, locales.all)
}

// InventedLocale makes up an id for any locale: a rehearsal does not ask Webflow
// which ones the site has.
func InventedLocale(cell string) (string, error) {
	cell = strings.ToLower(strings.TrimSpace(cell))
	if webflow.IsObjectID(cell) {
		return cell, nil
	}
	sum := sha256.Sum256([]byte(cell))
	return hex.EncodeToString(sum[:12]), nil
}

func newLocales(site webflow.Site) *Locales {
	l := &Locales{ids: map[string]string{}, cms: map[string]string{}}
	if p := site.Locales.Primary; p != nil {
		l.add(*p, "")
	}
	for _, s := range site.Locales.Secondary {
		l.add(s, s.ID)
	}
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

// KeepSite keeps what a site has told of its locales.
func KeepSite(ctx context.Context, d *db.DB, siteID int, answer webflow.Site) error {
	return d.KeepLocales(ctx, siteID, newLocales(answer).all)
}

// All are the ids of all locales; empty for the primary one, which comes first.
func (l *Locales) All() (ids []string) {
	for _, one := range l.all {
		ids = append(ids, one.ID)
	}
	return ids
}

var _ intake.LocaleResolver = (*Locales)(nil).Resolve

// Resolve is an intake.LocaleResolver: it answers from memory. The error says
// what would be right.
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
