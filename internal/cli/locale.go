package cli

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

// locales reads the site's locales, one Get Site call through the throttle, and
// makes the lookup that intake resolves cells with.
func (a *app) locales(ctx context.Context, d *db.DB, site db.Site) (intake.LocaleResolver, error) {
	if isStandIn(site.Name) {
		return inventedLocale, nil
	}
	if site.WebflowSiteID == nil {
		return nil, fmt.Errorf("the column locale needs the site's locales: say which site it is with `relabel site set%s --site-id ID`, or give locale_id instead",
			report.SiteFlag(site.Name))
	}
	cfg, err := a.siteConfig(site)
	if err != nil {
		return nil, err
	}
	reader, err := jobs.NewReader(ctx, jobs.ReaderConfig{DB: d, Site: cfg, CallTimeout: a.cfg.CallTimeout, Logger: a.log})
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	var res webflow.GetSiteResult
	err = reader.Call(ctx, func(ctx context.Context) (webflow.Meta, error) {
		var err error
		res, err = cfg.Client.GetSite(ctx, *site.WebflowSiteID)
		return res.Meta, err
	})
	if err != nil {
		return nil, fmt.Errorf("error reading the locales of site %s: %w", site.Name, err)
	}
	return newLocaleTable(res.Site).resolve, nil
}

// inventedLocale makes up an id for any locale: a rehearsal does not ask Webflow
// which ones the site has.
func inventedLocale(cell string) (string, error) {
	cell = strings.ToLower(strings.TrimSpace(cell))
	if objectIDPattern.MatchString(cell) {
		return cell, nil
	}
	sum := sha256.Sum256([]byte(cell))
	return hex.EncodeToString(sum[:12]), nil
}

// localeTable is what a cell may say, in lower case, and the id it means.
type localeTable struct {
	ids  map[string]string // empty: the primary locale
	cms  map[string]string // cmsLocaleId: the tag it belongs to
	tags []string
}

func newLocaleTable(site webflow.Site) *localeTable {
	t := &localeTable{ids: map[string]string{}, cms: map[string]string{}}
	if p := site.Locales.Primary; p != nil {
		t.add(*p, "")
	}
	for _, l := range site.Locales.Secondary {
		t.add(l, l.ID)
	}
	return t
}

func (t *localeTable) add(l webflow.Locale, id string) {
	for _, name := range []string{l.ID, l.Tag, l.Subdirectory} {
		if name != "" {
			t.ids[strings.ToLower(name)] = id
		}
	}
	if l.CMSLocaleID != "" {
		t.cms[strings.ToLower(l.CMSLocaleID)] = l.Tag
	}
	t.tags = append(t.tags, l.Tag)
}

// resolve is an intake.LocaleResolver: it answers from memory.
func (t *localeTable) resolve(cell string) (string, error) {
	key := strings.ToLower(strings.TrimSpace(cell))
	if id, ok := t.ids[key]; ok {
		return id, nil
	}
	if tag, ok := t.cms[key]; ok {
		return "", fmt.Errorf("this is the cmsLocaleId of %s, which the API takes for no locale: write %s", tag, tag)
	}
	return "", fmt.Errorf("the site has no such locale; it has %s", strings.Join(t.tags, ", "))
}
