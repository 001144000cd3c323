package usecase

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"relabel/db"
	"relabel/internal/intake"
)

type loader struct {
	LoadParams
	service   *Service
	read      int64
	refused   int64
	skipped   int64 // of those
	ambiguous int64 // rows whose name several assets have
	leftOut   int64
	reads     int64
	only      map[string]bool // ids of locales; nil: all
	primary   primaryLocale
	names     *resolver // nil: the rows have ids

	localeNames localeNames
}

// useLocales finds out the site's locales where the source or Only asks for them,
// and at least which one is the primary where it has ids.
func (l *loader) useLocales(ctx context.Context, rows rowSource) error {
	if len(l.Only) == 0 && !rows.Reads("locale") {
		if !rows.Reads("locale_id") {
			return nil
		}
		return l.usePrimary(ctx)
	}
	if len(l.Only) > 0 && !rows.Reads("locale") && !rows.Reads("locale_id") {
		return fmt.Errorf("%s has no column locale or locale_id to choose the locales %s by: nothing was loaded",
			l.Source.Name(), strings.Join(l.Only, ", "))
	}
	resolve, err := l.locales(ctx)
	if err != nil {
		return err
	}
	rows.UseLocales(resolve)
	for _, name := range l.Only {
		id, err := resolve(name)
		if err != nil {
			return fmt.Errorf("locale %q: %w", name, err)
		}
		if l.only == nil {
			l.only = map[string]bool{}
		}
		l.only[id] = true
	}
	return nil
}

// rows hands over what may be loaded. Once a row is refused (without
// SkipInvalid) nothing more is handed over, but all is read, so that every
// problem is listed in one go.
func (l *loader) rows(ctx context.Context, source rowSource) iter.Seq2[*db.SourceRow, error] {
	return func(yield func(*db.SourceRow, error) bool) {
		var row db.SourceRow
		for chunk, err := range source.Chunks(ctx) {
			if err == nil {
				chunk, err = l.chosen(ctx, chunk)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range chunk {
				l.take(&chunk[i], &row)
				if l.refuses() {
					continue
				}
				if !yield(&row, nil) {
					return
				}
			}
		}
		if l.refuses() {
			yield(nil, errRefused)
		} else if why := l.localeNames.notice(l.LoadParams); why != nil {
			l.Notice(why)
		}
	}
}

// refuses reports whether a row was refused that refuses the source.
func (l *loader) refuses() bool { return l.refused > l.skipped && !l.SkipInvalid }

// chosen counts the rows of a chunk, leaves out those of other locales, and finds the
// assets of those that name them.
func (l *loader) chosen(ctx context.Context, chunk []intake.Row) ([]intake.Row, error) {
	if err := l.count(len(chunk)); err != nil {
		return nil, err
	}
	kept := chunk[:0]
	for i := range chunk {
		if err := l.mapPrimary(ctx, chunk[i:]); err != nil {
			return nil, err
		}
		if l.wants(&chunk[i]) {
			kept = append(kept, chunk[i])
		}
	}
	if l.names == nil || len(kept) == 0 {
		return kept, nil
	}
	return l.names.resolve(ctx, kept)
}

// wants reports whether a row is loaded. Refused ones are not left out: they are reported.
func (l *loader) wants(row *intake.Row) bool {
	if row.Refused() {
		return true
	}
	if l.only != nil && !l.only[row.LocaleID] {
		l.leftOut++
		return false
	}
	return l.localeNames.meet(row, l.LoadParams)
}

// count counts rows that were read. A small .gz can hold so many that only counting them
// keeps them out of the database.
func (l *loader) count(rows int) error {
	l.read += int64(rows)
	if l.MaxRows > 0 && l.read > l.MaxRows {
		return &TooManyRowsError{Source: l.Source.Name(), Max: l.MaxRows}
	}
	l.Read(l.read)
	return nil
}

func (l *loader) take(in *intake.Row, out *db.SourceRow) {
	*out = db.SourceRow{
		Line: in.Line, AssetID: in.AssetID, LocaleID: in.LocaleID,
		DisplayName: in.DisplayName, AltText: in.AltText, ExpectedName: in.ExpectedName,
	}
	if in.Refused() {
		l.refused++
		if in.Skipped {
			l.skipped++
		}
		out.Refused = l.refusal(in)
	}
	for _, w := range in.Warnings {
		l.Warning(w)
	}
}

func (l *loader) refusal(in *intake.Row) string {
	texts := make([]string, len(in.Problems))
	for i, p := range in.Problems {
		l.Problem(p)
		texts[i] = p.Message
		if p.Column != "" {
			texts[i] = p.Column + ": " + p.Message
		}
	}
	return strings.Join(texts, "; ")
}
