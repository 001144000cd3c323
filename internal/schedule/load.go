package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"relabel/db"
	"relabel/internal/intake"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// loading is one load of a schedule's source as a plan: for a run, or for a test run.
type loading struct {
	usecase.LoadParams

	problems, columns, notes []string
}

func newLoading(s scheduledb.Schedule, site db.Site, src usecase.Source, name string) *loading {
	l := &loading{LoadParams: usecase.LoadParams{
		Site: site, Source: src, Name: name, Priority: priority,
		SkipInvalid: s.SkipInvalid, Force: s.Mode == "all", Planned: true, Only: s.Locales,
		LocaleNames: s.LocaleNames, Ambiguous: s.Ambiguous,
	}}
	l.Notice = func(err error) {
		if _, reads := errors.AsType[*usecase.ReadFirstError](err); !reads { // every run does, and counts its calls
			l.notes = append(l.notes, text.CleanLine(err.Error()+advice(err)))
		}
	}
	l.Opened = func(info intake.Info) { l.columns = info.Columns }
	l.Problem = func(p intake.Problem) {
		if len(l.problems) < shownProblems {
			l.problems = append(l.problems, fmt.Sprintf("line %d: %s", p.Line, p.Message))
		}
	}
	return l
}

// load makes the plan, and calls stored in the same transaction. The audit log does not
// record it: a run has its own record.
func (l *loading) load(ctx context.Context, use *usecase.Service, stored func(context.Context, pgx.Tx, usecase.Loaded) error) error {
	l.Stored = func(ctx context.Context, tx pgx.Tx, res usecase.Loaded) error {
		if l.Force && slices.Contains(l.columns, "expected_name") {
			return errors.New("the source has the column expected_name, which --mode all ignores: use --mode changed")
		}
		return stored(ctx, tx, res)
	}
	_, err := use.Load(ctx, usecase.Actor{}, l.LoadParams)
	if refused := (*usecase.RefusedError)(nil); errors.As(err, &refused) {
		return &refusedError{RefusedError: refused, problems: l.problems}
	}
	return err
}
