package intake

import "strings"

// EmptyMarker is what a cell of alt_text holds to empty the alt text, unless UseEmpty names another text. A blank cell
// leaves the alt text alone. relabel's own exports always write and read this one.
const EmptyMarker = "[empty]"

// UseEmpty sets another marker, before Chunks. A blank one changes nothing.
func (t *table) UseEmpty(marker string) {
	if marker = trim(marker); marker != "" {
		t.header.empty = marker
	}
}

// mark notes where a row has the marker.
func (c *cells) mark(h *header) {
	c[colAltText], c[cellEmptyAlt] = h.unmark(colAltText, c[colAltText])
	c[colDisplayName], c[cellEmptyName] = h.unmark(colDisplayName, c[colDisplayName])
}

// unmark reads a cell that may be the marker, which it then returns too. relabel's own exports have a single quote before a
// text that only looks like it.
func (h *header) unmark(c column, cell string) (text, marker string) {
	switch exported := h.restore[c]; {
	case isMarker(cell, h.empty), exported && isMarker(cell, EmptyMarker):
		return cell, cell
	case exported && looksMarked(cell):
		return cell[1:], ""
	}
	return cell, ""
}

// isMarker ignores case and outer spaces, because spreadsheets change them.
func isMarker(cell, marker string) bool { return strings.EqualFold(trim(cell), marker) }

// looksMarked reports whether a cell is any number of single quotes, and then EmptyMarker.
func looksMarked(cell string) bool { return isMarker(strings.TrimLeft(cell, "'"), EmptyMarker) }

// TextCell is the cell of an export for a name or an alt text that a row wants; nil leaves it alone.
func TextCell(text *string) string {
	switch {
	case text == nil:
		return ""
	case looksMarked(*text):
		return "'" + *text
	}
	return *text
}

// AltCell is TextCell for an alt text, which a row may also empty.
func AltCell(alt *string) string {
	if alt != nil && *alt == "" {
		return EmptyMarker
	}
	return TextCell(alt)
}

// altText is nil for a blank cell, and empty for one that empties the alt text.
func (v *validator) altText(c *cells) *string {
	if c[cellEmptyAlt] != "" {
		return v.pointer("")
	}
	return v.value(c[colAltText])
}

// displayName checks a display name. It refuses the marker: whoever writes it expects an empty name, which Webflow does not take.
func (v *validator) displayName(row *Row, c *cells) {
	if c[cellEmptyName] != "" {
		row.refuse(colDisplayName, c[cellEmptyName], "only an alt text can be emptied: leave the cell blank to keep the name; "+
			"if the name is meant, give another marker with --empty")
		return
	}
	v.text(row, colDisplayName, c[colDisplayName])
}
