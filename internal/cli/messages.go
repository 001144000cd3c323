package cli

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"relabel/internal/text"
)

// What lines on standard error begin with, so that people and scripts tell them from
// progress. A note has no prefix.
const (
	prefixWarning = "warning: "
	prefixError   = "error: "
)

// note prints a line on standard error, unless quiet.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		a.line("", fmt.Sprintf(format, args...))
	}
}

// warn prints what a person should look at, although the command goes on; unless quiet.
func (a *app) warn(format string, args ...any) {
	if !a.quiet {
		a.line(prefixWarning, fmt.Sprintf(format, args...))
	}
}

// line prints one line. Names and other foreign text in it can't begin another one.
func (a *app) line(prefix, message string) {
	fmt.Fprintln(a.Err, prefix+text.Escape(message, ""))
}

// printError prints the error that ends a command: as one line, with --json as an object.
func (a *app) printError(code int, message string) {
	if !a.json && !slices.Contains(a.Args, "--json") { // a wrong flag may come before --json
		a.line(prefixError, strings.TrimPrefix(message, "error ")) // "error reading …" says it already
		return
	}
	e := json.NewEncoder(a.Err)
	e.SetEscapeHTML(false)
	_ = e.Encode(errorJSON{message, code}) // there is nowhere to report it
}

// errorJSON is an error as --json prints it on standard error.
type errorJSON struct {
	Error string `json:"error"`
	Code  int    `json:"code"` // the exit code
}
