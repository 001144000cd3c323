// Package terminal draws on terminals: progress bars, tables and wrapped text. All
// of it adapts to the terminal's width, also when the width changes meanwhile.
//
// A Screen is standard error. It is shared by notes, log lines and progress bars:
// while bars are drawn, whatever is written to the Screen appears above them.
//
// A View shows progress. Each Frame that it gets replaces the one before: a bar for
// each Progress, and lines of text below all of them. Where bars can't be drawn,
// a View prints a plain line now and then, or nothing.
//
// A Table prints rows in columns, and omits the least important columns of a
// narrow terminal.
//
// The package knows nothing of batches or the database: internal/cli makes the
// frames and tables.
package terminal

import (
	"os"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Is reports whether w (or a reader) is a terminal.
func Is(w any) bool {
	_, ok := file(w)
	return ok
}

// Width is the number of columns of the terminal w. It is 0 if w is not a terminal:
// then lines may have any length.
func Width(w any) int {
	f, ok := file(w)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func file(w any) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// Fit cuts a line to a width in columns; 0 means any width.
func Fit(s string, width int) string {
	if width <= 0 {
		return s
	}
	return runewidth.Truncate(s, width, "…")
}
