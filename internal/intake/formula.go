package intake

import "strings"

// formulaStart holds the characters that make a spreadsheet run a cell instead of showing it.
const formulaStart = "=+-@\t\r"

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

// startsFormula reports whether a cell is any number of single quotes and then a formula character.
func startsFormula(cell string) bool {
	rest := strings.TrimLeft(cell, "'")
	return rest != "" && strings.IndexByte(formulaStart, rest[0]) >= 0
}
