package intake

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

const (
	// maxName is far above any file name (255 characters at most on every file system), and there to stop a column that
	// swallowed another. The API documents no limit; a name it finds too long is its to refuse.
	maxName = 4 << 10
	// maxAltText is the same for descriptions, which may be paragraphs.
	maxAltText = 16 << 10
	// idDigits is the length of the API's object ids.
	idDigits = 24
)

// cells are a row's cells by column; NULL and a missing column are the empty string.
type cells [numColumns]string

func (c *cells) setNothing() bool {
	return trim(c[colDisplayName]) == "" && trim(c[colAltText]) == ""
}

// validator turns cells into rows, for every kind of source. It is for one goroutine.
type validator struct {
	locales LocaleResolver
	pulled  bool     // the file is what `relabel pull` wrote: its names are ones that assets have
	texts   []string // holds what the rows' pointers point to: one allocation for a chunk, not one for a cell
}

// fill validates the cells into row. A row that is refused already (its cells may be shifted) is only made storable.
func (v *validator) fill(row *Row, c *cells) {
	if !row.Refused() {
		v.assetID(row, c[colAssetID])
		v.locale(row, c[colLocaleID], c[colLocale])
		v.setsSomething(row, c)
		v.text(row, colDisplayName, c[colDisplayName])
		v.text(row, colAltText, c[colAltText])
		v.text(row, colExpectedName, c[colExpectedName])
	}
	if row.Refused() {
		v.keep(row, c)
		return
	}
	row.DisplayName = v.value(c[colDisplayName])
	row.AltText = v.value(c[colAltText])
	row.ExpectedName = v.value(c[colExpectedName])
}

// value is nil for a blank cell, else the cell byte for byte.
func (v *validator) value(cell string) *string {
	if trim(cell) == "" {
		return nil
	}
	v.texts = append(v.texts, cell) // growing moves later texts only; pointers to earlier ones stay good
	return &v.texts[len(v.texts)-1]
}

// keep stores what a refused row said.
func (v *validator) keep(row *Row, c *cells) {
	row.AssetID = storable(trim(c[colAssetID]), 4*shownRunes)
	if row.LocaleID = c[colLocaleID]; trim(row.LocaleID) == "" {
		row.LocaleID = c[colLocale]
	}
	row.LocaleID = storable(trim(row.LocaleID), 4*shownRunes)
	row.DisplayName = v.value(storable(c[colDisplayName], maxName))
	row.AltText = v.value(storable(c[colAltText], maxAltText))
	row.ExpectedName = v.value(storable(c[colExpectedName], maxName))
}

func (v *validator) assetID(row *Row, cell string) {
	id := trim(cell)
	if lower, ok := objectID(id); ok {
		row.AssetID = lower
		return
	}
	row.refuse(colAssetID, cell, assetIDMessage(id))
}

func assetIDMessage(id string) string {
	switch {
	case id == "":
		return "no asset id: give the asset's id, 24 hexadecimal digits"
	case looksLikeNumber(id):
		return "a spreadsheet made a number of the asset id: format the column as text and paste the ids again"
	case len(id) != idDigits:
		return fmt.Sprintf("an asset id has 24 hexadecimal digits (0-9, a-f), this has %d characters", len([]rune(id)))
	}
	return "an asset id has 24 hexadecimal digits, nothing but 0-9 and a-f"
}

// looksLikeNumber tells 6.17E+23, which is what a spreadsheet shows for an id of digits with an e among them.
func looksLikeNumber(id string) bool {
	return len(id) < idDigits && strings.ContainsAny(id, "eE") && strings.Contains(id, "+") &&
		strings.Trim(id, "0123456789.,eE+") == ""
}

// objectID checks for 24 hex digits. Upper case is lowered: it is the same id, and as another target the order of
// two names for it could not be kept.
func objectID(id string) (lower string, ok bool) {
	if len(id) != idDigits {
		return "", false
	}
	upper := false
	for i := range len(id) {
		switch c := id[i]; {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
		case c >= 'A' && c <= 'F':
			upper = true
		default:
			return "", false
		}
	}
	if upper {
		id = strings.ToLower(id)
	}
	return id, true
}

// locale reads locale_id and locale. Both may be given as long as they mean the same.
func (v *validator) locale(row *Row, id, tag string) {
	if id == "" && tag == "" {
		return
	}
	byID, okID := v.resolve(row, colLocaleID, id)
	byTag, okTag := v.resolve(row, colLocale, tag)
	switch {
	case !okID || !okTag:
	case trim(id) == "":
		row.LocaleID = byTag
	case trim(tag) == "" || byID == byTag:
		row.LocaleID = byID
	default:
		row.refuse(colLocale, tag, fmt.Sprintf("locale_id says %s, locale says another one: leave one of them blank", Clean(trim(id))))
	}
}

func (v *validator) resolve(row *Row, col column, cell string) (string, bool) {
	cell = trim(cell)
	id, isID := objectID(cell)
	var err error
	switch {
	case cell == "":
		return "", true
	case col == colLocaleID && !isID:
		err = errors.New("a locale id has 24 hexadecimal digits: put tags such as fr-FR in a column named locale")
	case v.locales != nil:
		id, err = v.locales(cell)
	case !isID:
		err = errors.New("a locale can be looked up only when the site's id is known: run relabel site set --site-id ID, or give locale_id")
	}
	if err != nil {
		row.refuse(col, cell, err.Error())
	}
	return id, err == nil
}

func (v *validator) setsSomething(row *Row, c *cells) {
	if c.setNothing() {
		row.refuse(colNone, c[colAssetID], "the row sets nothing: give display_name or alt_text")
	}
}

// text checks a name or an alt text.
func (v *validator) text(row *Row, col column, cell string) {
	limit := maxName
	if col == colAltText {
		limit = maxAltText
	}
	if len(cell) > limit {
		row.refuse(col, cell, fmt.Sprintf("longer than %d bytes (%d): shorten it, or look for a missing separator or quote", limit, len(cell)))
		return
	}
	if !plain(cell) {
		v.runes(row, col, cell)
	}
	if cell != "" && (cell[0] <= ' ' || cell[0] > '~' || cell[len(cell)-1] <= ' ' || cell[len(cell)-1] > '~') {
		v.spaces(row, col, cell)
	}
}

// spaces flags what cannot be seen around a text, which is sent as it is.
func (v *validator) spaces(row *Row, col column, cell string) {
	switch trimmed := trim(cell); {
	case col == colExpectedName || trimmed == cell:
	case trimmed == "":
		row.warn(col, cell, "only spaces: taken as blank, so this is left alone")
	default:
		row.warn(col, cell, "spaces around the text are kept and sent: delete them unless they are meant")
	}
}

// runes looks at a text that is not plain ASCII. An expected name is compared, not sent: it may hold whatever the present
// name holds, except for NUL, which no database column takes.
func (v *validator) runes(row *Row, col column, cell string) {
	var warned, damaged bool
	at := 0
	for _, r := range cell {
		at++
		switch {
		case r >= ' ' && r <= '~':
		case r == 0:
			row.refuse(col, cell, fmt.Sprintf("character %d is NUL: delete it, or save the file again as \"CSV UTF-8\"", at))
			return
		case col == colExpectedName:
		case unicode.IsControl(r) && !(col == colAltText && (r == '\n' || r == '\r' || r == '\t')):
			if v.pulled {
				row.warn(col, cell, controlMessage(r, at))
			} else {
				row.refuse(col, cell, controlMessage(r, at))
			}
			return
		case isOverride(r) && !warned:
			warned = true
			row.warn(col, cell, fmt.Sprintf("character %d turns the text direction (U+%04X): the name reads differently from what it is", at, r))
		case r == unicode.ReplacementChar && !damaged:
			damaged = true
			row.warn(col, cell, fmt.Sprintf("character %d is U+FFFD: the text lost a character before it came here", at))
		}
	}
}

func controlMessage(r rune, at int) string {
	switch r {
	case '\n', '\r':
		return fmt.Sprintf("character %d is a line break: a name is one line, delete it", at)
	case '\t':
		return fmt.Sprintf("character %d is a tab: put a space", at)
	}
	return fmt.Sprintf("character %d is the control character U+%04X: delete it", at, r)
}
