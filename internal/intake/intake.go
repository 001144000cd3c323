// Package intake turns a source of rows (a CSV file, standard input, later a SQL query) into validated rows.
//
// It owns everything between the bytes of the source and a Row that is fit to be sent: encodings, separators, quoting,
// the header and its mapping, and the rules each cell must keep. It knows nothing of batches, databases or the API; the
// same target twice in one file is the database's business.
//
// Three kinds of things can be wrong, and they are kept apart:
//
//   - An error ends the reading: the file is not what it should be (no header, a quote left open, a cut .gz).
//     Header errors come from OpenCSV and NewCSV, before anything is written.
//   - A Problem refuses one row. All the others are still read, so that every problem is listed in one go.
//   - A warning (also a Problem, in Row.Warnings) leaves the row valid but wants a look.
//
// The CSV reader is our own, as encoding/csv cannot do what is asked here: it takes a lone CR for data, reads an open
// quote to the end of the file, has no limit for a record, turns CRLF inside quotes into LF, and allocates for every row.
// The grammar is that of RFC 4180. Reading is split in two: one goroutine only finds where records end (see records),
// which a few vectorised searches do, and chunks of records are split into cells and validated in parallel, in order.
package intake

import "slices"

// Row is one row of a source, in input order. Its strings share the memory of the chunk they came with.
//
// A refused row (see Refused) holds what the source said, made fit to be stored and shown: valid UTF-8 without NUL, cut
// to the limits. It must not be sent.
type Row struct {
	Line         int64     // line of the file where the row starts; the header is line 1. For SQL the row's number
	AssetID      string    // 24 lower-case hex digits
	LocaleID     string    // 24 lower-case hex digits; empty for the primary locale
	DisplayName  *string   // nil leaves the name alone
	AltText      *string   // nil leaves the alt text alone
	ExpectedName *string   // nil expects nothing of the present name
	Problems     []Problem // why the row is refused
	Warnings     []Problem // what a person should look at; the row is valid all the same
}

// Refused tells whether the row must not be sent.
func (r *Row) Refused() bool { return len(r.Problems) > 0 }

// Problem says what is wrong at one place of the source, and what would be right.
type Problem struct {
	Line    int64  `json:"line"`
	Column  string `json:"column,omitempty"` // our name of the column; empty when the whole row is meant
	Value   string `json:"value,omitempty"`  // the cell, cut and made fit for a terminal
	Message string `json:"message"`
}

// LocaleResolver turns the cell of a locale column (a tag such as fr-FR, a subdirectory, or an id) into the locale's id,
// empty for the primary locale. Its error is shown to the user as the row's problem, so it says what would be right. It is
// called for every row from several goroutines: it must answer from memory.
type LocaleResolver func(cell string) (localeID string, err error)

func (r *Row) refuse(col column, value, message string) {
	r.Problems = append(r.Problems, Problem{Line: r.Line, Column: col.String(), Value: Clean(value), Message: message})
}

func (r *Row) warn(col column, value, message string) {
	r.Warnings = append(r.Warnings, Problem{Line: r.Line, Column: col.String(), Value: Clean(value), Message: message})
}

// table is what a CSV and a query have in common: columns, and how to read the locales in them.
type table struct {
	header  header
	locales LocaleResolver
}

// Reads reports whether the source has the column, under our name or by mapping.
func (t *table) Reads(column string) bool { return slices.Contains(t.header.info().Columns, column) }

// UseLocales sets the resolver; without one, only ids are understood. It must come before Chunks.
func (t *table) UseLocales(locales LocaleResolver) { t.locales = locales }
