// Package load owns the way from a source to a batch: it opens the source, finds
// out its locales, refuses or keeps its bad rows, and stores the rest in one
// transaction, queued or as a plan.
package load

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/jobs"
)

// DefaultPriority of a batch that a person loads, of 1 (first) to 4 (last).
const DefaultPriority = 2

// Params of a load.
type Params struct {
	DB     *db.DB
	Client *jobs.Client // to queue the first renames with
	Site   db.Site
	Source Source

	Name        string // of the batch; empty: the source's
	Priority    int    // 0: DefaultPriority
	SkipInvalid bool   // keep refused rows in the batch as invalid, instead of loading nothing
	Force       bool   // send also what the target has already
	Planned     bool   // store it as a plan; so is a source that says which name it expects
	Blind       bool   // don't heed expected names: in a rehearsal there is nothing to compare with

	// Only takes only rows of these locales, each a tag, a subdirectory or an id, and
	// leaves out the others; none: all rows.
	Only []string

	// Locales finds out what the site's locales are; it is called once, and only
	// when the source has the column locale, or with Only.
	Locales func(context.Context) (intake.LocaleResolver, error)

	// Primary finds out the id of the primary locale, where it isn't known yet; it is
	// called once, when a row names a locale by its id. The assets are some of the
	// source's: they tell which site it is. nil: nobody is asked.
	Primary func(ctx context.Context, assets []string) (string, error)

	Opened  func(intake.Info)    // what the source looks like, before its rows are read
	Problem func(intake.Problem) // why a row is refused, as it is found
	Warning func(intake.Problem) // what a person should look at
	Notice  func(text string)    // about the source as a whole

	// Stored is told the batch's number and what the load came to at its end, in its
	// transaction: an error loads nothing. nil: nobody is.
	Stored func(context.Context, pgx.Tx, Result) error
}

// Result of a load.
type Result struct {
	BatchID int64
	Planned bool // it waits for Compare and Apply
	Refused int64
	LeftOut int64 // rows of locales that are not among Only
}

// Load makes a batch of a source, or nothing. Its errors say so, with the
// source's name and what to do. Memory is the same for any length.
func Load(ctx context.Context, p Params) (Result, error) {
	p = p.withDefaults()
	rows, err := p.open(ctx)
	if err != nil {
		return Result{}, err
	}
	defer rows.Close() //nolint:errcheck // only read from
	l := loader{Params: p}
	if err := l.useLocales(ctx, rows); err != nil {
		return Result{}, err
	}
	p.Opened(rows.Info())
	planned := p.Planned || rows.Reads("expected_name") && !p.Blind
	result := func(id int64) Result { return Result{id, planned, l.refused, l.leftOut} }
	id, err := p.DB.Load(ctx, db.LoadParams{
		SiteID: p.Site.ID, Name: p.batchName(), Source: p.Source.Name(), Map: p.Source.Map,
		Priority: p.Priority, Force: p.Force, Planned: planned,
		Rows: l.rows(ctx, rows),
		Queue: func(ctx context.Context, tx pgx.Tx) error {
			_, err := jobs.Feed(ctx, tx, p.Client, p.Site, jobs.DefaultWindow)
			return err
		},
		Stored: func(ctx context.Context, tx pgx.Tx, id int64) error { return p.Stored(ctx, tx, result(id)) },
	})
	return result(id), l.explain(err)
}

func (p Params) withDefaults() Params {
	if p.Priority == 0 {
		p.Priority = DefaultPriority
	}
	if p.Opened == nil {
		p.Opened = func(intake.Info) {}
	}
	for _, f := range []*func(intake.Problem){&p.Problem, &p.Warning} {
		if *f == nil {
			*f = func(intake.Problem) {}
		}
	}
	if p.Notice == nil {
		p.Notice = func(string) {}
	}
	if p.Stored == nil {
		p.Stored = func(context.Context, pgx.Tx, Result) error { return nil }
	}
	return p
}

func (p Params) batchName() string {
	if p.Name != "" {
		return intake.Clean(p.Name)
	}
	return intake.Clean(p.Source.baseName())
}

// Errors of a source that was read to its end.
var (
	ErrRefused = errors.New("rows were refused")
	ErrNoRows  = db.ErrNoRows
)

// explain says once more what refusing a source means: nothing was loaded.
func (l *loader) explain(err error) error {
	name := l.Source.Name()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrRefused):
		were := "rows were"
		if l.refused == 1 {
			were = "row was"
		}
		return fmt.Errorf("%s: %d %s refused, nothing was loaded: mend them, or load the others with --skip-invalid%w",
			name, l.refused, were, silent{ErrRefused})
	case errors.Is(err, ErrNoRows) && l.leftOut > 0:
		return fmt.Errorf("%s has no rows of the locales %s: nothing was loaded%w", name, strings.Join(l.Only, ", "), silent{ErrNoRows})
	case errors.Is(err, ErrNoRows), errors.Is(err, intake.ErrNoRows):
		return fmt.Errorf("%s has a header and no rows: nothing was loaded%w", name, silent{ErrNoRows})
	}
	if errors.Is(err, db.ErrCommitUnknown) {
		return err
	}
	return fmt.Errorf("nothing was loaded: %w", err)
}

// silent is an error that is there for errors.Is alone: the text before it has
// said it in better words.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }
