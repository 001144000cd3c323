package usecase

import (
	"errors"
	"fmt"
	"strings"

	"relabel/db"
	"relabel/internal/records"
	"relabel/internal/text"
	"relabel/internal/webflow"
)

// NotDoneError is returned when a use case failed and nothing was changed.
type NotDoneError struct {
	What string // nothing was loaded, there is no plan, nothing was applied
	Err  error
}

func (e *NotDoneError) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap implements errors.Is and errors.As.
func (e *NotDoneError) Unwrap() error { return e.Err }

// ReadError is returned when the site could not be read.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Is and errors.As.
func (e *ReadError) Unwrap() error { return e.Err }

// SourceError is returned when a source as a whole can't be read, such as one without a
// header.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }

// Unwrap implements errors.Is and errors.As.
func (e *SourceError) Unwrap() error { return e.Err }

// RefusedError is returned when rows of a source are invalid, so that nothing was
// loaded. LoadParams.SkipInvalid loads the others.
type RefusedError struct {
	Source    string
	Rows      int64
	Ambiguous int64 // of those: rows whose name several assets have
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: %s invalid, so nothing was loaded", e.Source, text.Plural(e.Rows, "row is", "rows are"))
}

// NoRowsError is returned when a source has no rows, or none of the chosen locales, or only
// names of secondary locales, which were dropped.
type NoRowsError struct {
	Source  string
	Only    []string // the chosen locales; none: the source is empty
	Dropped bool
}

func (e *NoRowsError) Error() string {
	if e.Dropped {
		return e.Source + " sets nothing but names in secondary locales, which were dropped: nothing was loaded"
	}
	if len(e.Only) > 0 {
		return fmt.Sprintf("%s has no rows of the locales %s: nothing was loaded", e.Source, strings.Join(e.Only, ", "))
	}
	return e.Source + " has a header and no rows: nothing was loaded"
}

// TooManyRowsError is returned when a source has more rows than LoadParams.MaxRows.
type TooManyRowsError struct {
	Source string
	Max    int64
}

func (e *TooManyRowsError) Error() string {
	return fmt.Sprintf("%s has more than %s, the limit of --max-rows", e.Source, text.Plural(e.Max, "row", "rows"))
}

// MapError is returned when the mapping of columns is malformed.
type MapError struct{ Err error }

func (e *MapError) Error() string { return "the mapping of columns: " + e.Err.Error() }

// Unwrap implements errors.Is and errors.As.
func (e *MapError) Unwrap() error { return e.Err }

// IsPlanError is returned when a batch is still a plan, so nothing of it was sent.
type IsPlanError struct{ Batch int64 }

func (e *IsPlanError) Error() string {
	return fmt.Sprintf("batch %d is a plan: nothing of it was sent", e.Batch)
}

// EndedError is returned when a batch has nothing left that could be replaced.
type EndedError struct {
	Batch  int64
	Status db.BatchStatus
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("batch %d is %s, with nothing left to replace", e.Batch, e.Status)
}

// sentBatch refuses a plan.
func sentBatch(b records.BatchProgress) error {
	if b.Status == db.BatchPlanned {
		return &IsPlanError{Batch: b.Batch}
	}
	return nil
}

// NoPrimaryError is a notice: the primary locale's id could not be read. Rows that
// give it count as of another locale than rows without a locale.
type NoPrimaryError struct{ Err error }

func (e *NoPrimaryError) Error() string {
	why := e.Err.Error()
	if api := (*webflow.Error)(nil); errors.As(e.Err, &api) && api.Kind == webflow.KindForbidden {
		why = "the token may not read, 403: it needs the scope sites:read"
	}
	return "the primary locale's id is not known (" + why +
		"), so rows with this id and rows without a locale count as two locales; leave locale_id blank for the primary locale"
}

// Unwrap implements errors.Is and errors.As.
func (e *NoPrimaryError) Unwrap() error { return e.Err }
