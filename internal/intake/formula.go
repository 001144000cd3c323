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

	// cellBreaks holds characters after which a program may see a new cell. Where the comma is the decimal sign, spreadsheets
	// split a CSV at semicolons, and what is quoted for commas is then no longer quoted.
	cellBreaks = ";" + breakStart
)

// Neutralise makes a cell safe to open in a spreadsheet: a cell that would run as a formula gets a single quote in front.
// So does a cell that begins with single quotes and then such a character; otherwise restore could not tell the two apart.
// The same holds for each part of a cell that a program may take for a cell.
func Neutralise(cell string) string {
	if startsFormula(cell) {
		cell = "'" + cell
	}
	return eachPart(cell, func(part string) string {
		if partStartsFormula(part) {
			return "'" + part
		}
		return part
	})
}

// restore undoes Neutralise: restore(Neutralise(s)) is s for every s. Only files that relabel exported are restored. A user's
// own files are taken byte for byte. The parts come first, as Neutralise looked at the start before it changed them.
func restore(cell string) string {
	cell = eachPart(cell, func(part string) string {
		if strings.HasPrefix(part, "'") && partStartsFormula(part) {
			return part[1:]
		}
		return part
	})
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

// partStartsFormula reports whether a part is any number of quotes and spaces, and then a formula character. Double quotes
// count, because a program that splits at the break before the part takes them for its own.
func partStartsFormula(part string) bool {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(part, func(r rune) bool { return r == '\'' || r == '"' || blank(r) }))
	return strings.ContainsRune(formulaStart, first)
}

// eachPart changes the parts of a cell that follow a break. Nearly all cells have none.
func eachPart(cell string, change func(part string) string) string {
	end := strings.IndexAny(cell, cellBreaks) + 1
	if end == 0 {
		return cell
	}
	var b strings.Builder
	b.WriteString(cell[:end])
	for rest := cell[end:]; rest != ""; rest = rest[end:] {
		if end = strings.IndexAny(rest, cellBreaks) + 1; end == 0 {
			end = len(rest)
		}
		b.WriteString(change(rest[:end]))
	}
	return b.String()
}
