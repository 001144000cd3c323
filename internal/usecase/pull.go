package usecase

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"relabel/db"
	"relabel/internal/siteread"
)

// Pulled is a site that was read.
type Pulled struct {
	Locales []string // ids; empty for the primary one
	Reads   int64

	// States are its assets, one locale after the other, as they are read from the
	// database.
	States iter.Seq2[db.AssetState, error]
}

// Pull reads all assets of a site, in the locales that are given by tag,
// subdirectory or id; in all with "all", and with none in the primary one.
func (s *Service) Pull(ctx context.Context, site db.Site, locales []string, p siteread.Params) (out Pulled, err error) {
	var reading siteread.Reading
	err = s.withReader(ctx, site, func(r *siteread.Reader) error {
		if out.Locales, err = localeIDs(ctx, r, locales); err == nil {
			reading, err = r.ReadSite(ctx, out.Locales, p)
		}
		if err != nil {
			return &ReadError{Err: err}
		}
		return nil
	})
	out.Reads = reading.Calls
	out.States = func(yield func(db.AssetState, error) bool) {
		for _, locale := range out.Locales {
			for state, err := range s.DB.States(ctx, site.ID, locale, reading.Since) {
				if !yield(state, err) || err != nil {
					return
				}
			}
		}
	}
	return out, err
}

// localeIDs looks up locales: one call, unless only the primary one is wanted.
func localeIDs(ctx context.Context, r *siteread.Reader, wanted []string) (ids []string, err error) {
	if len(wanted) == 0 {
		return []string{""}, nil
	}
	locales, err := r.Locales(ctx)
	if err != nil {
		return nil, err
	}
	if slices.Equal(wanted, []string{"all"}) {
		return locales.All(), nil
	}
	for _, w := range wanted {
		id, err := locales.Resolve(w)
		if err != nil {
			return nil, fmt.Errorf("locale %s: %w", w, err)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
