package usecase

import (
	"context"
	"fmt"
	"time"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/siteread"
)

const (
	// readingAge is how old a reading of the site may be that rows are resolved by: as
	// old as a plan that may be applied.
	readingAge = maxAge

	// maxSame is how many assets of one name a row may mean with AmbiguousAll.
	maxSame = 100

	// shownSame is how many of them a message lists.
	shownSame = 5

	// suggestedFor is for how many names of a load similar ones are looked for, each in
	// at most suggestedFrom names of the site.
	suggestedFor  = 20
	suggestedFrom = 200_000
)

// What happens to a row whose name several assets have.
const (
	AmbiguousRefuse = ""     // the row is refused
	AmbiguousAll    = "all"  // it means all of them
	AmbiguousSkip   = "skip" // it stays in the batch as invalid, and refuses nothing else
)

// NameReading reads the site for rows that name assets, unless the last reading is
// younger than maxAge.
type NameReading func(ctx context.Context, maxAge time.Duration) (siteread.Reading, error)

// resolver finds out which assets rows mean that have names instead of ids.
type resolver struct {
	*loader

	by        string // the column
	readSite  NameReading
	reading   siteread.Reading
	reused    bool // somebody made the reading before this load
	folders   *folderTree
	suggested int
}

// useNames reads the site for a source whose rows name their assets.
func (l *loader) useNames(ctx context.Context, rows rowSource) error {
	by := rows.NamedBy()
	if by == "" {
		return nil
	}
	l.names = &resolver{loader: l, by: by, readSite: l.ReadNames}
	if l.Rehearsal {
		return nil
	}
	if l.names.readSite == nil {
		l.names.readSite = l.readNames(by)
	}
	return l.names.look(ctx, readingAge)
}

// readNames is the usual NameReading.
func (l *loader) readNames(by string) NameReading {
	return func(ctx context.Context, maxAge time.Duration) (siteread.Reading, error) {
		announced := false
		return l.service.FreshReading(ctx, l.Site, []string{""}, maxAge, siteread.Params{Notice: l.Notice, Progress: func(calls, total int) {
			if total > calls && !announced {
				announced = true
				l.Notice(&ReadFirstError{Column: by, Calls: total})
			}
			l.Asked(calls, total)
		}})
	}
}

// look gets a reading that is young enough.
func (r *resolver) look(ctx context.Context, maxAge time.Duration) (err error) {
	if r.reading, err = r.readSite(ctx, maxAge); err != nil {
		return fmt.Errorf("the column %s needs a reading of the site, asset_id does not: %w", r.by, err)
	}
	r.Asked(1, 1)
	r.reads += r.reading.Calls
	r.reused = r.reading.Calls == 0
	r.folders, err = r.service.folderTree(ctx, r.Site.ID)
	return err
}

// resolve gives the rows of a chunk their assets. A name that is not clear may be clear
// by now, if somebody else made the reading: then the site is read once more.
func (r *resolver) resolve(ctx context.Context, rows []intake.Row) ([]intake.Row, error) {
	if r.Rehearsal {
		for i := range rows {
			inventAsset(&rows[i])
		}
		return rows, nil
	}
	c := newNameChunk(r, rows)
	if err := c.find(ctx); err != nil {
		return nil, err
	}
	if r.reused && c.unclear() {
		if err := r.look(ctx, 0); err != nil {
			return nil, err
		}
		r.reused = false
		c = newNameChunk(r, rows)
		if err := c.find(ctx); err != nil {
			return nil, err
		}
	}
	return c.judge(ctx)
}

// inventAsset makes up an id: a rehearsal does not ask which assets the site has.
func inventAsset(row *intake.Row) {
	if !row.Refused() {
		row.AssetID, _ = inventedLocale(row.Folder + "\x00" + row.Name)
	}
}

// similar looks for names like one that no asset has.
func (r *resolver) similar(ctx context.Context, names []string) ([]*nearest, error) {
	if r.by == string(db.ByHostedURL) { // addresses of one site are all alike
		return nil, nil
	}
	names = names[:min(len(names), max(suggestedFor-r.suggested, 0))]
	if len(names) == 0 {
		return nil, nil
	}
	r.suggested += len(names)
	all := make([]*nearest, len(names))
	for i, name := range names {
		all[i] = newNearest(name)
	}
	for name, err := range r.service.DB.AssetNames(ctx, r.Site.ID, db.NamedBy(r.by), r.reading.Since, suggestedFrom) {
		if err != nil {
			return nil, err
		}
		for _, n := range all {
			n.offer(name)
		}
	}
	return all, nil
}

// ReadFirstError is a notice: the site is read before the rows are loaded, as they name
// their assets.
type ReadFirstError struct {
	Column string
	Calls  int
}

func (e *ReadFirstError) Error() string {
	return fmt.Sprintf("the rows name their assets (%s): reading the site first, %d calls", e.Column, e.Calls)
}

// CheckAmbiguous refuses an unknown word for what happens to ambiguous names.
func CheckAmbiguous(word string) error {
	switch word {
	case AmbiguousRefuse, AmbiguousAll, AmbiguousSkip:
		return nil
	}
	return WrongSetting("ambiguous", " is all or skip, not %q", word)
}
