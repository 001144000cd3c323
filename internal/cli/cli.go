// Package cli is the command line. Run runs one command and returns its exit code.
//
// Each command has a file of its name (rowslist.go is `relabel rows list`), with its
// flags, their checks and what it runs. A flow is the same for all: the flags are
// checked before anything is opened, withSession opens the database, and the command
// prints its result. Files that several commands share are named for what they share:
// rowfilter.go, scheduleflags.go, siteview.go, session.go, workers.go.
//
// Results go to standard output, as text or (--json) as one object. Notes, progress,
// questions and errors go to standard error. What draws on terminals is in
// internal/terminal.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"relabel/internal/config"
	"relabel/internal/metrics"
	"relabel/internal/terminal"
	"relabel/internal/text"
	"relabel/internal/webflow"
)

// Exit codes: a contract, scripts depend on them.
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitTrouble = 3 // finished, but some rows did not succeed
	exitParked  = 4 // stopped with the site parked
	exitChanges = 5 // plan --detailed-exitcode: something would change
)

// Params are what the process gives to the command line.
type Params struct {
	Args      []string
	In        io.Reader
	Out, Err  io.Writer
	LookupEnv func(string) (string, bool)
}

// app is shared by all commands.
type app struct {
	Params
	stdout *output          // where Out goes
	screen *terminal.Screen // where Err, notes and the log go
	result *jsonResult      // what --json prints
	cfg    config.Config
	log    *slog.Logger
	json, quiet,
	verbose bool
	site        string            // --site
	databaseURL string            // --database-url
	metrics     *metrics.Registry // --metrics; nil: no metrics

	// transport is shared by all sites: a thousand sites of one API need no connections of
	// their own.
	transport http.RoundTripper
}

// exitErr ends a command with an exit code. An empty text prints nothing: the command
// has printed it already.
type exitErr struct {
	code int
	text string
}

func (e exitErr) Error() string { return e.text }

func usageError(format string, args ...any) error {
	return exitErr{exitUsage, fmt.Sprintf(format, args...)}
}

// Run runs one command and returns its exit code. ctx ends with the first
// SIGINT or SIGTERM.
func Run(ctx context.Context, p Params) int {
	a := newApp(p)
	root := a.rootCommand()
	root.SetArgs(p.Args)
	err := root.ExecuteContext(ctx)
	a.result.end()
	if err == nil {
		err = a.stdout.err // commands don't check the error of each line
	}
	code, text := endOf(err)
	if text != "" {
		a.printError(code, text)
	}
	return code
}

func newApp(p Params) *app {
	a := &app{Params: p, stdout: &output{Writer: p.Out, terminal: terminal.Is(p.Out)}, screen: terminal.NewScreen(p.Err), transport: webflow.NewTransport(webflow.DefaultIdleConns)}
	a.Out, a.Err = a.stdout, a.screen
	a.result = &jsonResult{w: a.Out}
	return a
}

// endOf is the exit code and message of an error. If the reader of standard output has
// closed it (| head), that is no error.
func endOf(err error) (code int, line string) {
	switch e := (exitErr{}); {
	case err == nil, errors.Is(err, errReaderGone):
		return exitOK, ""
	case errors.As(err, &e):
		code = e.code
		line = err.Error()
	default:
		code, line = explain(err)
	}
	if code == exitError && errors.Is(err, context.Canceled) && !strings.HasPrefix(line, "interrupted") {
		return code, "interrupted" // by a signal: the place of the interruption does not matter
	}
	return code, text.Escape(text.OneLine(line), "")
}

func (a *app) configure() error {
	cfg, err := config.Read(a.LookupEnv)
	if err != nil {
		return usageError("%s", err)
	}
	if a.databaseURL != "" {
		cfg.DatabaseURL = a.databaseURL
	}
	if a.site == "" {
		return usageError("--site is empty: leave it out for the site %q", "default")
	}
	a.cfg = cfg
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelInfo
	}
	if v, _ := a.LookupEnv("RELABEL_LOG"); v == "debug" {
		level = slog.LevelDebug
	}
	a.log = newLogger(a.Err, level, cfg.LogJSON)
	return nil
}
