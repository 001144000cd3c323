package usecase

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"relabel/db"
	"relabel/internal/siteread"
)

// PullParams say which assets to read.
type PullParams struct {
	Locales []string // by tag, subdirectory or id; all of them with "all"; none: the primary one
	Folder  string   // a path or an id: the assets in it and below it; "/": those at the root; empty: all
}

// Pulled is a site that was read.
type Pulled struct {
	Locales []string // ids; empty for the primary one
	Reads   int64

	// States are its assets, one locale after the other, as they are read from the
	// database. Their folders are paths.
	States iter.Seq2[db.AssetState, error]
}

// Pull reads the assets of a site and its folders.
func (s *Service) Pull(ctx context.Context, site db.Site, p PullParams, reading siteread.Params) (out Pulled, err error) {
	l := pull{service: s, site: site}
	err = s.withReader(ctx, site, func(r *siteread.Reader) error {
		if out.Locales, err = localeIDs(ctx, r, p.Locales); err == nil {
			err = l.read(ctx, r, out.Locales, p.Folder, reading)
		}
		if err != nil {
			return &ReadError{Err: err}
		}
		out.Reads = r.Calls()
		return nil
	})
	out.States = l.states(ctx, out.Locales)
	return out, err
}

// pull is one use of Pull.
type pull struct {
	service *Service
	site    db.Site
	folders *folderTree
	only    map[string]bool // ids of folders; nil: all
	since   time.Time
}

func (l *pull) read(ctx context.Context, r *siteread.Reader, locales []string, folder string, p siteread.Params) error {
	if p.Progress != nil {
		p.Progress(0, 0) // the first call may have to wait
	}
	if err := r.ReadFolders(ctx); err != nil {
		return err
	}
	id, err := l.choose(ctx, folder)
	if err != nil {
		return err
	}
	reading, err := r.ReadBelow(ctx, id, locales, p)
	l.since = reading.Since
	return err
}

// choose finds the folder to read by the API's filter; empty for all assets.
func (l *pull) choose(ctx context.Context, folder string) (id string, err error) {
	if l.folders, err = l.service.folderTree(ctx, l.site.ID); err != nil || folder == "" {
		return "", err
	}
	ids, err := l.folders.find(folder)
	if err != nil {
		return "", err
	}
	if len(ids) > 1 {
		return "", &SameFolderError{Folder: folder, IDs: ids}
	}
	l.only = l.folders.Below(ids...)
	return ids[0], nil
}

// states leaves out assets of other folders, which somebody else may have read meanwhile.
func (l *pull) states(ctx context.Context, locales []string) iter.Seq2[db.AssetState, error] {
	return func(yield func(db.AssetState, error) bool) {
		for _, locale := range locales {
			for state, err := range l.service.DB.States(ctx, l.site.ID, locale, l.since) {
				if err == nil && l.only != nil && !l.only[state.Folder] {
					continue
				}
				state.Folder = l.folders.path(state.Folder)
				if !yield(state, err) || err != nil {
					return
				}
			}
		}
	}
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
