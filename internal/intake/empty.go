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

// marked returns the cell of a column if it is the marker, and nothing otherwise. It looks at the cell as it is in the
// source: restore turns a quoted text into one that looks like the marker.
func (h *header) marked(row []string, c column) string {
	at := h.index[c]
	if at < 0 || at >= len(row) {
		return ""
	}
	if isMarker(row[at], h.empty) || h.restore[c] && isMarker(row[at], EmptyMarker) {
		return row[at]
	}
	return ""
}

// isMarker ignores case and outer spaces, because spreadsheets change them.
func isMarker(cell, marker string) bool { return strings.EqualFold(trim(cell), marker) }

// looksMarked reports whether a cell is any number of single quotes, and then EmptyMarker.
func looksMarked(cell string) bool { return isMarker(strings.TrimLeft(cell, "'"), EmptyMarker) }

// AltCell is the cell of an export for the alt text that a row wants; nil leaves it alone.
func AltCell(alt *string) string {
	switch {
	case alt == nil:
		return ""
	case *alt == "":
		return EmptyMarker
	}
	return Neutralise(*alt)
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
	if marker := c[cellEmptyName]; marker != "" {
		row.refuse(colDisplayName, marker, "only an alt text can be emptied: leave the cell blank to keep the name; "+
			"if the name is meant, give another marker with --empty")
		return
	}
	v.text(row, colDisplayName, c[colDisplayName])
}
