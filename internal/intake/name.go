package intake

import (
	"cmp"
	"fmt"
	"strings"
)

// naming lists the columns that say which asset is meant, in place of asset_id.
func naming() []column { return []column{colCurrentName, colOriginalFileName, colHostedURL} }

// chooseName finds the column that says which asset is meant. Beside asset_id the others
// are ignored, as in a file of `relabel pull`.
func (h *header) chooseName(taken []bool) error {
	var named []column
	for _, c := range naming() {
		if h.index[c] >= 0 {
			named = append(named, c)
		}
	}
	switch h.namedBy = colNone; {
	case h.index[colAssetID] >= 0:
		h.namedBy = colAssetID
		for _, c := range append(naming(), colFolder) {
			h.drop(c, taken)
		}
	case len(named) > 1:
		return fmt.Errorf("the columns %s say which asset is meant: keep one of them", listOf(named, "and"))
	case len(named) == 1:
		h.namedBy = named[0]
	}
	return nil
}

// drop leaves a column to those that are not read.
func (h *header) drop(c column, taken []bool) {
	if at := h.index[c]; at >= 0 {
		h.index[c], taken[at] = -1, false
	}
}

// listOf is "a, b or c".
func listOf(columns []column, or string) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.String()
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " " + or + " " + names[last]
}

// NamedBy is the column that says which asset a row means, if the source has no asset ids:
// Row.Name is its cell. It is empty for a source with ids.
func (t *table) NamedBy() string {
	if t.header.namedBy == colAssetID {
		return ""
	}
	return t.header.namedBy.String()
}

// validator makes the validator of a chunk of rows.
func (t *table) validator(rows int) validator {
	return validator{locales: t.locales, pulled: t.header.pulled, namedBy: t.header.namedBy, texts: make([]string, 0, rows)}
}

// name reads the cell that says which asset is meant, for the caller to resolve.
func (v *validator) name(row *Row, c *cells) {
	cell := c[v.namedBy]
	switch {
	case trim(cell) == "":
		row.refuse(v.namedBy, cell, "empty: say which asset is meant")
	case len(cell) > maxName:
		row.refuse(v.namedBy, cell, fmt.Sprintf("longer than %d bytes: no asset has such a name", maxName))
	case strings.Contains(cell+c[colFolder], "\x00"):
		row.refuse(v.namedBy, cell, "holds a NUL character: delete it")
	}
	row.Name, row.Folder = cell, trim(c[colFolder])
}

// saidAsset is what a row says of its asset, to show it.
func (c *cells) saidAsset() string {
	return trim(cmp.Or(c[colAssetID], c[colCurrentName], c[colOriginalFileName], c[colHostedURL]))
}

// RefuseName refuses a row whose Name is of no asset, or of several. column is NamedBy of
// the source, or "folder".
func (r *Row) RefuseName(column, message string) {
	value := r.Name
	if column == colFolder.String() {
		value = r.Folder
	}
	r.AssetID = storable(trim(r.Name), 4*shownRunes)
	r.Problems = append(r.Problems, Problem{r.Line, column, Clean(value), message})
}
