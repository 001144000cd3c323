package webflow

import (
	"strconv"
	"strings"
)

// Error is returned for every call that failed. Its texts are safe to store and to
// show: one line of valid UTF-8 of limited length, without control characters and
// without the token.
type Error struct {
	Kind    Kind
	Meta    Meta
	Code    string // the API's own code, such as "resource_not_found"; may be empty
	Message string // the API's message and details, or a description of what happened

	// cause is context.Canceled, context.DeadlineExceeded or nil. Of other causes only
	// the cleaned text is kept, because their own texts may repeat the token.
	cause error
}

// Error returns one line, such as "webflow: 404 not found: resource_not_found:
// Requested resource not found". The caller adds the asset.
func (e *Error) Error() string {
	parts := make([]string, 0, 4)
	kind := e.Kind.String()
	if e.Meta.Status != 0 {
		kind = strconv.Itoa(e.Meta.Status) + " " + kind
	}
	parts = append(parts, "webflow", kind)
	if e.Code != "" {
		parts = append(parts, e.Code)
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns context.Canceled or context.DeadlineExceeded if one of them ended the
// call, so that errors.Is finds it.
func (e *Error) Unwrap() error { return e.cause }
