package usecase

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/pg"
	"relabel/internal/records"
	"relabel/internal/text"
)

// DefaultPriority of a batch that a person loads, of 1 (first) to 4 (last).
const DefaultPriority = 2

// LoadParams say what to load, and how.
type LoadParams struct {
	Site   db.Site
	Source Source

	Name        string // of the batch; empty: the source's
	Priority    int    // 0: DefaultPriority
	SkipInvalid bool   // keep refused rows in the batch as invalid, instead of loading nothing
	Force       bool   // send also what the target has already
	Planned     bool   // store it as a plan; so is a source with the column expected_name
	Rehearsal   bool   // the site is a stand-in: invent its locales, ignore expected names

	// Only takes only rows of these locales, each a tag, a subdirectory or an id, and
	// leaves out the others; none: all rows.
	Only []string

	Ambiguous   string      // what happens to names that several assets have: AmbiguousAll, AmbiguousSkip or refused
	ReadNames   NameReading // reads the site for rows that name assets; nil: FreshReading
	LocaleNames string      // what to do with names of secondary locales: one of LocaleNames(); empty: KeepLocaleNames

	Notify []string // the addresses that get notices about the batch

	MaxRows int64 // load nothing if the source has more; 0: no limit

	Read    func(rows int64)       // how many rows were read so far
	Asked   func(calls, total int) // calls that look up locales or read the site, as siteread.Params.Progress
	Opened  func(intake.Info)      // what the source looks like, before its rows are read
	Problem func(intake.Problem)   // why a row is refused, as it is found
	Warning func(intake.Problem)   // what a person should look at
	Notice  func(error)            // about the source as a whole

	// Stored is called at the end of the load's transaction: an error loads nothing.
	Stored func(context.Context, pgx.Tx, Loaded) error
}

// Loaded is a batch that was loaded.
type Loaded struct {
	BatchID int64
	Planned bool // it waits for Compare and Apply
	Rows    int64
	Refused int64
	LeftOut int64 // rows of locales that are not among Only
	Reads   int64 // calls that looked up locales, and read the site for rows that name assets or for a rule

	// Since is when the reading began that rows were resolved by, or a rule was worked out
	// for. Its states serve for a comparison too.
	Since time.Time
}

// Load makes a batch of a source, or nothing. Memory is the same for any length.
func (s *Service) Load(ctx context.Context, by Actor, p LoadParams) (out Loaded, err error) {
	action := "load"
	switch {
	case by.Via == ViaDashboard:
		action = "upload"
	case p.Planned:
		action = "plan"
	}
	var batch string
	e := records.AuditEntry{
		Action: action, Subject: "site " + p.Site.Name, Becomes: &batch, Detail: text.Cut(cmp.Or(p.auditName(by), p.Source.Name()), 200),
	}
	err = s.Record(ctx, by, e, func(ctx context.Context) (int64, error) {
		if out, err = s.load(ctx, p.withDefaults()); err != nil {
			return -1, notLoaded(err)
		}
		batch = records.BatchSubject(out.BatchID)
		b, err := records.Batch(ctx, s.DB, out.BatchID)
		out.Rows = b.Total
		return b.Total, err
	})
	return out, err
}

// auditName is the batch's name; an upload is recorded by its file.
func (p LoadParams) auditName(by Actor) string {
	if by.Via == ViaDashboard {
		return ""
	}
	return p.Name
}

func (s *Service) load(ctx context.Context, p LoadParams) (Loaded, error) {
	rows, err := p.open(ctx)
	if err != nil {
		return Loaded{}, &SourceError{Err: err}
	}
	defer rows.Close() //nolint:errcheck // only read from
	rows.UseEmpty(p.Source.Empty)
	l := loader{LoadParams: p, service: s}
	if err := l.useLocales(ctx, rows); err != nil {
		return Loaded{}, err
	}
	p.Opened(rows.Info())
	p.noticeSheet(rows.Info())
	if err := l.useNames(ctx, rows); err != nil {
		return Loaded{}, err
	}
	l.Planned = p.Planned || rows.Reads("expected_name") && !p.Rehearsal
	id, err := s.DB.Load(ctx, db.LoadParams{
		SiteID: p.Site.ID, Name: p.batchName(), Source: p.Source.Name(), Map: p.Source.Map, Notify: p.Notify,
		Priority: p.Priority, Force: p.Force, Planned: l.Planned,
		Rows:   l.rows(ctx, rows),
		Queue:  s.queue(p.Site),
		Stored: func(ctx context.Context, tx pgx.Tx, id int64) error { return p.Stored(ctx, tx, l.loaded(id)) },
	})
	return l.loaded(id), l.explain(err)
}

func (l *loader) loaded(id int64) Loaded {
	out := Loaded{BatchID: id, Planned: l.Planned, Refused: l.refused, LeftOut: l.leftOut, Reads: l.reads}
	switch {
	case l.names != nil:
		out.Since = l.names.reading.Since
	case l.Source.Rule != nil:
		out.Since = l.Source.Rule.Reading.Since
		out.Reads += l.Source.Rule.Reading.Calls
	}
	return out
}

func (p LoadParams) withDefaults() LoadParams {
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
	if p.Read == nil {
		p.Read = func(int64) {}
	}
	if p.Asked == nil {
		p.Asked = func(int, int) {}
	}
	if p.Notice == nil {
		p.Notice = func(error) {}
	}
	if p.Stored == nil {
		p.Stored = func(context.Context, pgx.Tx, Loaded) error { return nil }
	}
	return p
}

func (p LoadParams) batchName() string {
	if p.Name != "" {
		return intake.Clean(p.Name)
	}
	return intake.Clean(p.Source.baseName())
}

// errRefused ends the rows of a source that is refused.
var errRefused = errors.New("rows were refused")

// explain names the source, and says that nothing was loaded.
func (l *loader) explain(err error) error {
	none := errors.Is(err, db.ErrNoRows)
	switch {
	case err == nil, errors.Is(err, pg.ErrCommitUnknown):
		return err
	case errors.Is(err, errRefused):
		return &RefusedError{Source: l.Source.Name(), Rows: l.refused - l.skipped, Ambiguous: l.ambiguous - l.skipped}
	case none && l.localeNames.blank > 0:
		return &NoRowsError{Source: l.Source.Name(), Dropped: true}
	case none && l.leftOut > 0:
		return &NoRowsError{Source: l.Source.Name(), Only: l.Only}
	case none, errors.Is(err, intake.ErrNoRows):
		return &NoRowsError{Source: l.Source.Name()}
	}
	return &NotDoneError{What: "nothing was loaded", Err: err}
}

// notLoaded says also of a load that was interrupted early what it left.
func notLoaded(err error) error {
	if errors.Is(err, context.Canceled) && !errors.Is(err, pg.ErrCommitUnknown) {
		return &NotDoneError{What: "nothing was loaded", Err: err}
	}
	return err
}
