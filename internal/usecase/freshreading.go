package usecase

import (
	"context"
	"time"

	"relabel/db"
	"relabel/internal/siteread"
)

// FreshReading returns a complete reading of the site and its folders, in each of some
// locales ("" is the primary one). It makes no call if the last reading is younger than
// maxAge: what relabel has sent since is then written into its states. Otherwise it reads
// the site.
func (s *Service) FreshReading(ctx context.Context, site db.Site, locales []string, maxAge time.Duration, p siteread.Params) (siteread.Reading, error) {
	r := freshReading{service: s, site: site, params: p}
	if err := r.find(ctx, locales, maxAge); err != nil {
		return siteread.Reading{}, err
	}
	if len(r.old) == 0 && !r.folders {
		return r.reading, s.DB.RecordSent(ctx, site.ID, r.reading.Since)
	}
	err := s.withReader(ctx, site, func(reader *siteread.Reader) error {
		if err := r.read(ctx, reader); err != nil {
			return &ReadError{Err: err}
		}
		return nil
	})
	if err == nil {
		err = s.DB.RecordSent(ctx, site.ID, r.reading.Since)
	}
	return r.reading, err
}

// freshReading is one call of FreshReading.
type freshReading struct {
	service *Service
	site    db.Site
	params  siteread.Params

	reading siteread.Reading // as old as the oldest of the locales
	old     []string         // locales to read
	folders bool             // they are to be read too
}

// find looks for readings that are young enough.
func (r *freshReading) find(ctx context.Context, locales []string, maxAge time.Duration) error {
	d := r.service.DB
	known, err := d.Readings(ctx, r.site.ID)
	if err != nil {
		return err
	}
	now, err := d.Now(ctx)
	if err != nil {
		return err
	}
	began := map[string]time.Time{}
	for _, k := range known {
		began[k.LocaleID] = k.BeganAt
	}
	r.reading = siteread.Reading{By: "list"}
	for _, locale := range locales {
		at, ok := began[locale]
		if !ok || now.Sub(at) >= maxAge {
			r.old = append(r.old, locale)
		} else if r.reading.Since.IsZero() || at.Before(r.reading.Since) {
			r.reading.Since = at
		}
	}
	if r.folders = len(r.old) > 0; !r.folders {
		r.folders, err = d.FoldersMissing(ctx, r.site.ID, r.reading.Since)
	}
	return err
}

func (r *freshReading) read(ctx context.Context, reader *siteread.Reader) error {
	if r.params.Progress != nil {
		r.params.Progress(0, 0) // the first call may have to wait
	}
	if err := reader.ReadFolders(ctx); err != nil {
		return err
	}
	if len(r.old) > 0 {
		got, err := reader.ReadSite(ctx, r.old, r.params)
		if err != nil {
			return err
		}
		if r.reading.Since.IsZero() {
			r.reading.Since = got.Since
		}
	}
	r.reading.Calls = reader.Calls()
	return nil
}
