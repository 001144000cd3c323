package usecase

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"relabel/internal/intake"
	"relabel/internal/siteread"
	"relabel/internal/webflow"
)

const (
	// siteTries is how many assets are read to find their site's id: the first ones
	// may be gone.
	siteTries = 5

	// primaryTime bounds the look-up: the load's transaction waits for it, and can do
	// without its answer.
	primaryTime = time.Minute
)

// locales reads what the site's locales are: one call.
func (l *loader) locales(ctx context.Context) (resolve intake.LocaleResolver, err error) {
	if l.Rehearsal {
		return inventedLocale, nil
	}
	l.reads++
	l.Asked(0, 1)
	defer l.Asked(1, 1)
	err = l.service.withReader(ctx, l.Site, func(r *siteread.Reader) error {
		locales, err := r.Locales(ctx)
		if err == nil {
			resolve = locales.Resolve
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the column locale needs the site's locales, locale_id does not: %w", err)
	}
	return resolve, nil
}

// inventedLocale makes up an id for any locale: a rehearsal does not ask Webflow
// which ones the site has.
func inventedLocale(cell string) (string, error) {
	cell = strings.ToLower(strings.TrimSpace(cell))
	if webflow.IsObjectID(cell) {
		return cell, nil
	}
	sum := sha256.Sum256([]byte(cell))
	return hex.EncodeToString(sum[:12]), nil
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
	l.primary.id, err = l.service.DB.PrimaryLocale(ctx, l.Site.ID)
	return err
}

// mapPrimary does so for the first of some rows.
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

// askPrimary reads the primary locale's id, once. Without an answer the load goes on:
// a token may well rename and not read.
func (l *loader) askPrimary(ctx context.Context, rows []intake.Row) error {
	l.primary.asked = true
	if l.Rehearsal {
		return nil
	}
	l.reads++
	l.Asked(0, 1)
	defer l.Asked(1, 1)
	var assets []string
	for i := 0; i < len(rows) && len(assets) < siteTries; i++ {
		if !rows[i].Refused() {
			assets = append(assets, rows[i].AssetID)
		}
	}
	asking, cancel := context.WithTimeout(ctx, primaryTime)
	defer cancel()
	err := l.service.withReader(asking, l.Site, func(r *siteread.Reader) (err error) {
		l.primary.id, err = r.PrimaryLocale(asking, assets)
		return err
	})
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case l.LocaleNames == DropLocaleNames || l.LocaleNames == RefuseLocaleNames:
		return fmt.Errorf("the names of secondary locales can't be told from those of the primary one: %w", &NoPrimaryError{Err: err})
	}
	l.Notice(&NoPrimaryError{Err: err})
	return nil
}
