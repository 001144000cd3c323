package webflow

import (
	"strconv"
	"strings"
)

// Error is a call that did not end well. Its texts are safe to store and to show: one
// line of valid UTF-8 without control characters, bounded, the token taken out.
type Error struct {
	Kind    Kind
	Meta    Meta
	Code    string // the API's own code, such as "resource_not_found"; may be empty
	Message string // the API's message and details, or what happened instead

	// cause is context.Canceled, context.DeadlineExceeded or nil. Other causes are
	// kept as text only: their own texts may hold what came from outside, uncleaned.
	cause error
}

// Error is one line, such as "webflow: 404 not found: resource_not_found: Requested
// resource not found". It does not name the asset: the caller does.
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

// Unwrap gives context.Canceled or context.DeadlineExceeded when one of them ended
// the call, so that errors.Is finds it.
func (e *Error) Unwrap() error { return e.cause }
