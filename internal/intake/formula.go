package intake

import (
	"strings"
	"unicode/utf8"
)

const (
	// formulaStart holds the characters that make a spreadsheet run a cell instead of showing it. East Asian ones take the
	// full-width forms for the same, and some programs skip spaces before them.
	formulaStart = "=+-@＝＋－＠"

	// breakStart holds characters that a program may drop at the start of a cell.
	breakStart = "\t\r\n"
)

// Neutralise makes a cell safe to open in a spreadsheet: a cell that would run as a formula gets a single quote in front.
// So does a cell that begins with single quotes and then such a character; otherwise restore could not tell the two apart.
func Neutralise(cell string) string {
	if startsFormula(cell) {
		return "'" + cell
	}
	return cell
}

// restore undoes Neutralise: restore(Neutralise(s)) is s for every s. Only files that relabel exported are restored. A user's
// own files are taken byte for byte.
func restore(cell string) string {
	if strings.HasPrefix(cell, "'") && startsFormula(cell) {
		return cell[1:]
	}
	return cell
}

// startsFormula reports whether a cell is any number of single quotes, and then a tab or line break, or spaces and a formula
// character.
func startsFormula(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	if rest == "" {
		return false
	}
	if strings.IndexByte(breakStart, rest[0]) >= 0 {
		return true
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(rest, blank))
	return strings.ContainsRune(formulaStart, first)
}
