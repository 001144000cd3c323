package schedule

import (
	"context"
	"errors"
	"strings"

	"relabel/db"
	"relabel/internal/schedule/scheduledb"
	"relabel/internal/text"
	"relabel/internal/usecase"
)

// openFor opens the source of a schedule. A saved rule is worked out for what the site
// holds. With now the site is read first, so that new uploads are among it; else a reading
// of the last minutes will do.
func (e Sources) openFor(ctx context.Context, use *usecase.Service, site db.Site, s scheduledb.Schedule, now bool) (usecase.Source, func(), error) {
	if s.Rule == nil {
		return e.open(ctx, s)
	}
	src, err := use.RuleSource(ctx, usecase.RuleParams{Site: site, Name: *s.Rule, Now: now})
	return src, func() {}, err
}

// ruleNotes are what a person should look at in what a rule chose.
func ruleNotes(src usecase.Source) (notes []string) {
	if src.Rule == nil {
		return nil
	}
	for _, w := range usecase.RuleWarnings(src.Rule.Result) {
		notes = append(notes, text.CleanLine(w))
	}
	return notes
}

// endUnchanged ends a run whose rule had nothing to rename: most nights bring no upload.
func (n *run) endUnchanged(ctx context.Context, err error) error {
	e := (*usecase.UnchangedError)(nil)
	if !errors.As(err, &e) {
		return err
	}
	n.Reads += e.Rule.Reading.Calls
	note := strings.Join(append([]string{e.Error()}, usecase.RuleWarnings(e.Rule.Result)...), "; ")
	return scheduledb.RunUnchanged(ctx, n.cfg.DB, n.RunWork, e.Rule.Matched, text.CleanLine(note))
}

// checkRule checks the settings of a schedule that runs a rule. Its rows are the renames
// alone, so shares of them and columns mean nothing.
func checkRule(s scheduledb.Schedule) error {
	switch {
	case s.ColumnMap != nil:
		return usecase.WrongSetting("map", " goes with a file or a query: a rule has no columns")
	case s.Sheet != nil, s.Ambiguous != "":
		return usecase.WrongSetting("sheet", " and --ambiguous go with a file or a query: a rule has no names to look up")
	case len(s.Locales) > 0:
		return usecase.WrongSetting("locales", " goes with a file or a query: `relabel rename --locale` gives a rule its own")
	case s.Mode != "changed":
		return usecase.WrongSetting("mode", " is changed with a rule, whose rows all are changes")
	case strings.Contains(text.Deref(s.MaxChange), "%"):
		return usecase.WrongSetting("max-change", " is a number with a rule, such as 500: all its rows are changes, so a share says nothing")
	}
	return nil
}
