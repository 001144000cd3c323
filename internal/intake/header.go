package intake

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// header is the meaning of a source's first row, or of a query's columns.
type header struct {
	names    []string         // as in the file, trimmed
	index    [numColumns]int  // of each of our columns in names, or -1
	restore  [numColumns]bool // its cells went through Neutralise
	ignored  []string         // columns that nothing is read from
	exported bool             // relabel wrote the file
	pulled   bool             // `relabel pull` wrote it: it holds what the site has, perhaps edited since
	namedBy  column           // what says which asset is meant: colAssetID, or a column in its place
	empty    string           // a cell with this text empties the alt text
}

// resolveHeader places our columns: first those of the mapping, then those that a header names.
func resolveHeader(names []string, mapped map[column]string) (header, error) {
	h := header{names: names, empty: EmptyMarker}
	if err := checkNames(names, mapped); err != nil {
		return h, err
	}
	taken := make([]bool, len(names))
	for c := range numColumns {
		h.index[c] = -1
		if want, ok := mapped[c]; ok {
			at := find(names, want)
			if at < 0 {
				return h, fmt.Errorf("the mapping reads %s from a column %s, which the header does not have: it %s", c, quote(want), described(names))
			}
			h.index[c], taken[at] = at, true
		}
	}
	for at, name := range names {
		if c := columnNamed(name); c != colNone && h.index[c] < 0 && !taken[at] {
			h.index[c], taken[at] = at, true
		}
	}
	if err := h.chooseName(taken); err != nil {
		return h, err
	}
	h.recognise(taken)
	return h, h.complete()
}

// checkNames refuses headers that do not make clear which column is which. Of a mapped
// column the mapping says so: "Asset ID" may then be beside asset_id.
func checkNames(names []string, mapped map[column]string) error {
	first := map[string]int{}
	for i, name := range names {
		if strings.IndexByte(name, 0) >= 0 {
			return errors.New(`the header holds NUL bytes, as UTF-16 without a byte order mark does: save the file as "CSV UTF-8"`)
		}
		if name == "" {
			return fmt.Errorf("column %d of the header has no name: name it, or delete the column (the header %s)", i+1, described(names))
		}
		key := strings.ToLower(name)
		c := columnNamed(name)
		if _, ok := mapped[c]; c != colNone && !ok {
			key = c.String()
		}
		if j, twice := first[key]; twice {
			return fmt.Errorf("columns %d and %d have the same name: rename or delete one (the header %s)", j+1, i+1, described(names))
		}
		first[key] = i
	}
	return nil
}

// recognise finds relabel's own exports. Their cells are restored, and their other columns are ignored without a notice.
func (h *header) recognise(taken []bool) {
	var ours []string
	for _, export := range [][]string{ResultsColumns(), PullColumns(), VerifyColumns()} {
		if subset(export, h.names) {
			ours = append(ours, append(export, "folder")...)
			h.exported = true
		}
	}
	h.pulled = subset(PullColumns(), h.names)
	for c, at := range h.index {
		h.restore[c] = at >= 0 && find(ours, h.names[at]) >= 0
	}
	for at, name := range h.names {
		if !taken[at] && find(ours, name) < 0 {
			h.ignored = append(h.ignored, name)
		}
	}
}

func (h *header) info() Info {
	info := Info{Header: h.names, Ignored: h.ignored, Exported: h.exported}
	for col := range numColumns {
		if h.index[col] >= 0 {
			info.Columns = append(info.Columns, col.String())
		}
	}
	return info
}

func (h *header) complete() error {
	if h.namedBy == colNone {
		return incompleteError(fmt.Sprintf("no column says which asset is meant (asset_id, or instead %s); the header %s: %s",
			listOf(naming(), "or"), described(h.names), h.remedy(colAssetID)))
	}
	if h.index[colDisplayName] < 0 && h.index[colAltText] < 0 {
		return incompleteError(fmt.Sprintf("no display_name and no alt_text column, so nothing to set; the header %s: %s",
			described(h.names), h.remedy(colDisplayName)))
	}
	return nil
}

// incompleteError says that a header lacks columns, which a mapping could name.
type incompleteError string

func (e incompleteError) Error() string { return string(e) }

// remedy suggests the mapping that was probably meant.
func (h *header) remedy(want column) string {
	if slices.ContainsFunc(h.names, isID) {
		return "the first row looks like data: put a header row above it"
	}
	header := "YOUR COLUMN"
	if i := slices.IndexFunc(h.names, func(name string) bool { return looksLike(name) == want }); i >= 0 {
		header = h.names[i]
	}
	return fmt.Sprintf("rename the column, or use --map '%s'", formatPair(want.String(), header))
}

// pick takes the cells that are read out of a row. Cells that a short row lacks are empty.
func (h *header) pick(row []string) (picked cells) {
	for c, at := range h.index {
		if at < 0 || at >= len(row) {
			continue
		}
		picked[c] = row[at]
		if h.restore[c] {
			picked[c] = restore(picked[c])
		}
	}
	picked.mark(h)
	return picked
}

// find looks for a header as it was typed, then without regard to case.
func find(names []string, want string) int {
	if i := slices.Index(names, want); i >= 0 {
		return i
	}
	return slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, want) })
}

func subset(some, all []string) bool {
	return !slices.ContainsFunc(some, func(name string) bool { return find(all, name) < 0 })
}

// shownNames is how many headers a message lists. More would not make it clearer.
const shownNames = 20

// described says what a header is. It quotes none without any column like ours: that is
// no header, but perhaps the first line of a file that a schedule should not read, and
// errors are stored and posted.
func described(names []string) string {
	if !slices.ContainsFunc(names, func(name string) bool { return looksLike(name) != colNone }) {
		return "has none of relabel's columns"
	}
	var quoted []string
	for _, name := range names[:min(len(names), shownNames)] {
		quoted = append(quoted, quote(name))
	}
	if more := len(names) - shownNames; more > 0 {
		quoted = append(quoted, fmt.Sprintf("and %d more", more))
	}
	return "is " + strings.Join(quoted, ", ")
}
