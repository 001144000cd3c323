// Package intake turns a source of rows (a CSV or Excel file, standard input, a command, a SQL query) into validated rows.
//
// OpenFile, NewFile, OpenCommand and OpenSQL open a source and read its header. UseLocales then sets how locales are resolved, and Chunks
// yields the rows. The package owns everything between the bytes of the source and a Row that may be sent: encodings,
// separators, quotes, the header and its mapping, and the rules for each cell. It knows nothing of batches, of our database
// or of the API. A source may name its assets instead of giving their ids (NamedBy); the caller then finds out which ones
// are meant. The package also knows the columns of relabel's own exports, which it reads back.
//
// Three kinds of things can be wrong:
//
//   - An error ends the reading: no header, a quote left open, a cut .gz. Errors in the header come from the constructors.
//   - A Problem refuses one row. All other rows are still read, so that one run lists every problem.
//   - A warning (a Problem in Row.Warnings) leaves the row valid, and a person should look at it.
//
// The CSV reader is our own, because encoding/csv takes a lone CR for data, reads an open quote to the end of the file,
// has no limit for a record, turns CRLF inside quotes into LF, and allocates for every row. The grammar is RFC 4180. The
// caller's goroutine only finds where records end (records.go), which a few vectorised searches do. Other goroutines cut
// chunks of records into cells and validate them (pipeline.go, rows.go); the rows come out in order.
package intake

import "slices"

// Row is one row of a source. Its strings share memory with the rows around it.
//
// A refused row (see Refused) holds what the source said, made fit to be stored and shown: valid UTF-8 without NUL, cut
// to the limits. It must not be sent.
type Row struct {
	Line         int64   // line of the file where the row starts, from 1. For SQL the number of the row
	AssetID      string  // 24 lower-case hex digits
	LocaleID     string  // 24 lower-case hex digits; empty for the primary locale
	DisplayName  *string // nil leaves the name alone
	AltText      *string // nil leaves the alt text alone; empty: the asset gets none
	ExpectedName *string // nil allows any present name

	// Name and Folder say which asset is meant where the source has no asset ids (see NamedBy). AssetID is then empty, and
	// the caller fills it.
	Name   string // a name, file name or address, byte for byte
	Folder string // a path or an id; empty: any

	Problems []Problem // why the row is refused
	Skipped  bool      // it is refused, but does not refuse the whole source
	Warnings []Problem // what a person should look at in a valid row
}

// Refused reports whether the row must not be sent.
func (r *Row) Refused() bool { return len(r.Problems) > 0 }

// Problem says what is wrong at one place of the source, and how to correct it.
type Problem struct {
	Line    int64  `json:"line"`
	Column  string `json:"column,omitempty"` // our name of the column; empty when the whole row is meant
	Value   string `json:"value,omitempty"`  // the cell, cut and made fit for a terminal
	Message string `json:"message"`
}

// LocaleResolver turns the cell of a locale column (a tag such as fr-FR, a subdirectory, or an id) into the locale's id,
// empty for the primary locale. The user sees its error as the row's problem. It is called for every row, from several
// goroutines, so it must answer from memory.
type LocaleResolver func(cell string) (localeID string, err error)

func (r *Row) refuse(col column, value, message string) {
	r.Problems = append(r.Problems, Problem{r.Line, col.String(), Clean(value), message})
}

func (r *Row) warn(col column, value, message string) {
	r.Warnings = append(r.Warnings, Problem{r.Line, col.String(), Clean(value), message})
}

// table is what a CSV and a query have in common: columns, and how to read the locales in them.
type table struct {
	header  header
	locales LocaleResolver
}

// Reads reports whether the source has a column, under our name for it or by mapping.
func (t *table) Reads(column string) bool { return slices.Contains(t.header.info().Columns, column) }

// UseLocales sets the resolver, before Chunks. Without one, only ids are understood.
func (t *table) UseLocales(locales LocaleResolver) { t.locales = locales }
