package usecase

import (
	"errors"
	"fmt"

	"relabel/internal/intake"
	"relabel/internal/text"
)

// What a load does with the display name of a row of a secondary locale. Webflow's specification calls names not
// localizable, so such a row may rename the asset for every locale.
const (
	KeepLocaleNames   = "keep"   // the default: load it, with a notice
	DropLocaleNames   = "drop"   // take the name off the row
	RefuseLocaleNames = "refuse" // refuse the row
)

// LocaleNames lists the values of LoadParams.LocaleNames.
func LocaleNames() []string { return []string{KeepLocaleNames, DropLocaleNames, RefuseLocaleNames} }

const notLocalizable = "Webflow's specification calls names not localizable, so this may rename the asset for every locale"

// localeNames counts the names of secondary locales that a load has met.
type localeNames struct {
	rows  int64
	line  int64 // of the first
	blank int64 // rows that were left with nothing to set
}

// meet applies LoadParams.LocaleNames to a row, and reports whether the row still sets anything. A rehearsal does not
// know which locale is the primary one, so it changes nothing.
func (n *localeNames) meet(row *intake.Row, p LoadParams) bool {
	if row.LocaleID == "" || row.DisplayName == nil || p.Rehearsal {
		return true
	}
	if n.rows++; n.rows == 1 {
		n.line = row.Line
	}
	switch p.LocaleNames {
	case DropLocaleNames:
		row.DisplayName = nil
	case RefuseLocaleNames:
		row.Problems = append(row.Problems, intake.Problem{
			Line: row.Line, Column: "display_name", Value: intake.Clean(*row.DisplayName), Message: "a name in a secondary locale: " + notLocalizable,
		})
	}
	if row.DisplayName == nil && row.AltText == nil {
		n.blank++
		return false
	}
	return true
}

// LocaleNamesError is a notice: rows set a display name in a secondary locale.
type LocaleNamesError struct {
	Rows    int64
	Line    int64 // of the first
	Dropped bool  // the names were taken off the rows
	Blank   int64 // rows that were left with nothing to set, and are not loaded
	Rule    bool  // a rule made the rows
}

// notice returns nil if there is nothing to say.
func (n *localeNames) notice(p LoadParams) error {
	if n.rows == 0 || p.LocaleNames == RefuseLocaleNames {
		return nil
	}
	return &LocaleNamesError{
		Rows: n.rows, Line: n.line, Dropped: p.LocaleNames == DropLocaleNames, Blank: n.blank, Rule: p.Source.Rule != nil,
	}
}

// IsKeptNames reports the notice that names of secondary locales are loaded, although the
// source has settings against that. A rule has none: its --locale asks for such names.
func IsKeptNames(err error) bool {
	names, ok := errors.AsType[*LocaleNamesError](err)
	return ok && !names.Dropped && !names.Rule
}

func (e *LocaleNamesError) Error() string {
	if !e.Dropped {
		return fmt.Sprintf("%s a display name in a secondary locale, such as line %d; %s", text.Plural(e.Rows, "row sets", "rows set"), e.Line, notLocalizable)
	}
	out := fmt.Sprintf("the display name was dropped from %s of secondary locales, such as line %d", text.Plural(e.Rows, "row", "rows"), e.Line)
	if e.Blank > 0 {
		out += "; " + text.Plural(e.Blank, "row was left with nothing to set and is not loaded", "rows were left with nothing to set and are not loaded")
	}
	return out
}
